//! Runnable examples of embedding the engine; see the `examples` folder beside this file.
