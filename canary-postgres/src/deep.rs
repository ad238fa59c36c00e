//! Work for recursive parsers: threads with a large stack, as many as there are cores.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// The stack of each thread; only what is used is ever touched.
const STACK: usize = 256 << 20;

/// What `work` makes of every item, in their order; `None` where it panicked, or where no thread could be had.
///
/// The threads take one item after another, so that a large one holds up no other.
pub(crate) fn each<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<Option<R>> {
    let next = AtomicUsize::new(0);
    let take = || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(at) else { return done };
            // Nothing of an item that was given up is looked at again.
            done.push((at, catch_unwind(AssertUnwindSafe(|| work(item))).ok()));
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from).min(items.len());
    let mut all: Vec<Option<R>> = items.iter().map(|_| None).collect();
    thread::scope(|scope| {
        let spawn =
            |_| thread::Builder::new().name("parse".to_owned()).stack_size(STACK).spawn_scoped(scope, take);
        let handles: Vec<_> = (0..threads).map(spawn).collect();
        for (at, done) in handles.into_iter().flatten().filter_map(|handle| handle.join().ok()).flatten() {
            if let Some(place) = all.get_mut(at) {
                *place = done;
            }
        }
    });
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_in_order_and_a_panic_costs_its_own_item_alone() {
        let items: Vec<u32> = (0..500).collect();
        let done = each(&items, |item| {
            assert!(*item != 250, "as planned");
            item * 2
        });
        let expected: Vec<_> = items.iter().map(|item| (*item != 250).then_some(item * 2)).collect();
        assert_eq!(done, expected);
        assert_eq!(each(&[] as &[u32], |item| *item), []);
    }

    #[test]
    fn a_stack_is_deep() {
        fn down(left: u32, held: &[u64; 64]) -> u64 {
            let here = [u64::from(left); 64];
            if left == 0 { held.iter().sum() } else { down(left - 1, std::hint::black_box(&here)) + held[0] }
        }
        assert!(each(&[100_000_u32], |left| down(*left, &[1; 64]))[0].is_some());
    }
}
