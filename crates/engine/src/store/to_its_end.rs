//! Work that goes on when nobody waits for it any more.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::FutureExt;
use futures_util::future::CatchUnwind;
use tokio::runtime::Handle;

/// What the work came to, or what it panicked with.
type Ended<T> = Result<T, Box<dyn Any + Send>>;

/// Done where it is waited for, which is quicker than on a task of its own; dropped before its end, it gets one.
pub(super) struct ToItsEnd<F: Future + Send + 'static>(
    Option<Pin<Box<CatchUnwind<AssertUnwindSafe<F>>>>>,
)
where
    F::Output: Send;

impl<F: Future + Send + 'static> ToItsEnd<F>
where
    F::Output: Send,
{
    pub fn of(work: F) -> Self {
        Self(Some(Box::pin(AssertUnwindSafe(work).catch_unwind())))
    }
}

impl<F: Future + Send + 'static> Future for ToItsEnd<F>
where
    F::Output: Send,
{
    type Output = Ended<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(work) = &mut self.0 else {
            return Poll::Pending;
        };
        let polled = work.as_mut().poll(context);
        if polled.is_ready() {
            self.0 = None;
        }
        polled
    }
}

impl<F: Future + Send + 'static> Drop for ToItsEnd<F>
where
    F::Output: Send,
{
    fn drop(&mut self) {
        if let (Some(work), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(async move {
                let _nobody_waits = work.await;
            });
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn it_ends_whether_it_is_waited_for_or_not() {
        assert_eq!(ToItsEnd::of(async { 7 }).await.unwrap(), 7);

        for polled in [false, true] {
            let (go, wait) = oneshot::channel::<()>();
            let (done, ended) = oneshot::channel();
            let mut work = ToItsEnd::of(async move {
                wait.await.unwrap();
                done.send(polled).unwrap();
            });
            if polled {
                let soon = Duration::from_millis(1);
                assert!(tokio::time::timeout(soon, &mut work).await.is_err());
            }
            drop(work);
            go.send(()).unwrap();
            assert_eq!(ended.await.unwrap(), polled);
        }
    }

    #[tokio::test]
    async fn a_panic_is_told_to_whoever_waits() {
        let panicked = ToItsEnd::of(async { panic!("oh") }).await.unwrap_err();
        assert_eq!(panicked.downcast_ref::<&str>(), Some(&"oh"));
    }
}
