//! Work for recursive parsers: threads with a large stack, as many as there are cores.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// The stack of each thread; only what is used is ever touched.
const STACK: usize = 256 << 20;

/// The most items that a thread takes at a time: handing over costs something.
const PIECE: usize = 16;

/// What `work` makes of every item, in their order; `None` where it panicked, or where no thread could be had.
///
/// The threads take a few items after another, so that a large one holds up few others.
pub(crate) fn each<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<Option<R>> {
    let mut all = Vec::with_capacity(items.len());
    in_order(items, usize::MAX, |_| 0, work, |_, done| all.push(done));
    all
}

/// Hands to `take`, in the items' order, what `work` makes of each as [`each`] does: by the threads themselves, one at a time,
/// while the others are at work on what follows. They hold at most `ahead` of what items weigh, but for one that weighs more.
pub(crate) fn in_order<T: Sync, R: Send>(
    items: &[T],
    ahead: usize,
    weight: impl Fn(&T) -> usize,
    work: impl Fn(&T) -> R + Sync,
    take: impl FnMut(&T, Option<R>) + Send,
) {
    let threads = thread::available_parallelism().map_or(1, usize::from).min(items.len());
    let flow = Flow::new(pieces(items, threads, ahead, weight), ahead);
    let take = Mutex::new(take);
    let run = || {
        let _end = End(&flow);
        while let Some((at, piece)) = flow.next() {
            // Nothing of an item that was given up is looked at again.
            let work = |item| catch_unwind(AssertUnwindSafe(|| work(item))).ok();
            flow.put(at, piece.iter().map(work).collect());
            flow.hand_over(&take);
        }
    };
    let spawned = thread::scope(|scope| {
        let spawn =
            |_| thread::Builder::new().name("parse".to_owned()).stack_size(STACK).spawn_scoped(scope, run);
        (0..threads).filter_map(|n| spawn(n).ok()).count()
    });
    if spawned == 0 {
        let mut take = take.into_inner().unwrap_or_else(PoisonError::into_inner);
        items.iter().for_each(|item| take(item, None));
    }
}

/// Items that one thread works on, with what they weigh.
type Piece<'a, T> = (&'a [T], usize);

/// Cuts items into pieces, some for each thread, none of which weighs much.
fn pieces<T>(items: &[T], threads: usize, ahead: usize, weight: impl Fn(&T) -> usize) -> Vec<Piece<'_, T>> {
    let most = (items.len() / (8 * threads.max(1))).clamp(1, PIECE);
    let heavy = ahead / (2 * threads.max(1));
    let mut pieces = Vec::new();
    let mut left = items;
    while !left.is_empty() {
        let (mut count, mut sum) = (0, 0_usize);
        for weight in left.iter().take(most).map(&weight) {
            if count > 0 && sum.saturating_add(weight) > heavy {
                break;
            }
            (count, sum) = (count + 1, sum.saturating_add(weight));
        }
        let (piece, rest) = left.split_at(count);
        pieces.push((piece, sum));
        left = rest;
    }
    pieces
}

/// What is under way.
struct Flow<'a, T, R> {
    pieces: Vec<Piece<'a, T>>,
    ahead: usize,
    state: Mutex<State<R>>,
    /// Something may be begun.
    room: Condvar,
}

struct State<R> {
    /// Each piece's answers, between its end and its being taken.
    done: Vec<Option<Vec<Option<R>>>>,
    /// How many pieces were begun.
    begun: usize,
    /// How many were taken.
    taken: usize,
    /// The weight of those that were begun and not taken.
    weight: usize,
    /// A thread died.
    over: bool,
}

impl<'a, T, R> Flow<'a, T, R> {
    fn new(pieces: Vec<Piece<'a, T>>, ahead: usize) -> Self {
        let done = pieces.iter().map(|_| None).collect();
        let state = State { done, begun: 0, taken: 0, weight: 0, over: false };
        Self { pieces, ahead, state: Mutex::new(state), room: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State<R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The piece to begin, once there is room for it.
    fn next(&self) -> Option<(usize, &'a [T])> {
        let full = |state: &mut State<R>| {
            let next = self.pieces.get(state.begun).filter(|_| !state.over && state.begun > state.taken);
            next.is_some_and(|(_, weight)| state.weight.saturating_add(*weight) > self.ahead)
        };
        let mut state = self.room.wait_while(self.state(), full).unwrap_or_else(PoisonError::into_inner);
        let at = state.begun;
        let (piece, weight) = self.pieces.get(at).filter(|_| !state.over)?;
        state.weight = state.weight.saturating_add(*weight);
        state.begun += 1;
        Some((at, piece))
    }

    fn put(&self, at: usize, answers: Vec<Option<R>>) {
        self.state().done[at] = Some(answers);
    }

    /// Takes what is next as long as that is done, unless another thread is at it: its answers are gone then, and it is not counted as taken yet.
    fn hand_over(&self, take: &Mutex<impl FnMut(&T, Option<R>)>) {
        let mut state = self.state();
        while !state.over {
            let at = state.taken;
            let Some(answers) = state.done.get_mut(at).and_then(Option::take) else { return };
            drop(state);
            let (piece, weight) = self.pieces[at];
            let mut take = take.lock().unwrap_or_else(PoisonError::into_inner);
            piece.iter().zip(answers).for_each(|(item, answer)| take(item, answer));
            drop(take);
            state = self.state();
            state.taken += 1;
            state.weight = state.weight.saturating_sub(weight);
            self.room.notify_all();
        }
    }
}

/// Ends the other threads when one dies: what it was to hand over, nobody does.
struct End<'f, 'a, T, R>(&'f Flow<'a, T, R>);

impl<T, R> Drop for End<'_, '_, T, R> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.state().over = true;
            self.0.room.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

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
    fn no_more_is_under_way_than_may_be() {
        let items: Vec<usize> = (0..300).collect();
        let (under_way, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let mut taken = Vec::new();
        let work = |item: &usize| {
            most.fetch_max(under_way.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            *item
        };
        // Each fifth is heavier than all that may be held, and goes by itself.
        let weight = |item: &usize| if item.is_multiple_of(5) { 100 } else { 3 };
        in_order(&items, 10, weight, work, |item, done| {
            assert_eq!(done, Some(*item));
            taken.push(*item);
            under_way.fetch_sub(1, Ordering::SeqCst);
        });
        assert_eq!(taken, items);
        assert!(most.into_inner() <= 3, "three of weight 3 at a time");
    }

    #[test]
    fn a_panic_of_whoever_takes_ends_the_threads() {
        let items: Vec<usize> = (0..300).collect();
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            in_order(&items, 1, |_| 1, |item| *item, |item, _| assert!(*item != 7, "as planned"));
        }));
        assert!(panicked.is_err());
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
