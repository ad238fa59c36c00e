//! Wire tests: the balancer against a real HAProxy, and against what only looks like one.

#[cfg(test)]
mod exec;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod pool;
#[cfg(test)]
mod support;
