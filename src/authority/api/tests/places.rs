//! How much is done at the same time.

use std::{
    sync::{Mutex, mpsc},
    task::Poll,
};

use super::*;

type Work = Box<dyn FnOnce() -> Result<Response, Problem> + Send>;

/// Has more asked for than may be done at once, by clients that do not wait for it.
async fn hold(most: usize, start: impl AsyncFn(Work) -> Result<Response, Problem>) {
    let (release, gate) = mpsc::channel::<()>();
    let (begun, running) = mpsc::channel();
    let gate = Arc::new(Mutex::new(gate));
    let work = || -> Work {
        let (begun, gate) = (begun.clone(), Arc::clone(&gate));
        Box::new(move || {
            begun.send(()).unwrap();
            let _ = gate.lock().unwrap().recv();
            json(&())
        })
    };
    for _ in 0..most {
        let mut client = Box::pin(start(work()));
        assert!(futures::poll!(&mut client).is_pending());
        drop(client);
        running.recv().unwrap();
    }
    let mut next = Box::pin(start(work()));
    assert!(futures::poll!(&mut next).is_pending());
    tokio::time::advance(PATIENCE).await;
    match futures::poll!(&mut next) {
        Poll::Ready(Err(problem)) => assert_eq!(problem.in_words().0.as_u16(), 503),
        _ => panic!("more than {most} at once"),
    }
    assert!(running.try_recv().is_err());
    drop(release);
    assert!(start(work()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn whoever_goes_away_leaves_a_place_taken_until_the_work_is_done() {
    let door = Door::new();
    let api = Api::new(Arc::clone(&door.authority), door.behind.clone());
    let api = Arc::new(api);
    hold(AT_ONCE, async |work| api.slowly(move |_| work()).await).await;
    hold(LISTS, async |work| api.listing(move |_| work()).await).await;
}
