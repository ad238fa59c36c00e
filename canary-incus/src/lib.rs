//! Part of the canary rollout engine.
