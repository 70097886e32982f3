#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::sync::Mutex;

use muster_cloud::{BudgetConfig, Reason};
use muster_model::{Coverage, Service};

use super::*;
use crate::aws::testkit::empty;

const CALL: &str = "rds:DescribeDBInstances";

/// One recorded page: its records and the marker behind it, or an error.
type Page = Result<(Vec<u32>, &'static str), CallError>;

fn calls(max_pages: usize) -> Calls {
    Calls::new(Arc::new(Budget::new(
        BudgetConfig {
            max_pages,
            ..BudgetConfig::default()
        },
        0,
    )))
}

/// Reads recorded pages one after the other; gives what was read, the markers asked for, and how it ended.
async fn read(max_pages: usize, pages: Vec<Page>) -> (Vec<u32>, Vec<String>, Listing) {
    let calls = calls(max_pages);
    let asked = Mutex::new(Vec::new());
    let pages = Mutex::new(pages.into_iter());
    let mut found = Vec::new();
    let listing = calls
        .pages(
            CALL,
            |marker| {
                asked.lock().unwrap().push(marker.unwrap_or_default());
                std::future::ready(
                    pages
                        .lock()
                        .unwrap()
                        .next()
                        .expect("a page more than recorded"),
                )
            },
            |(records, marker): (Vec<u32>, &str)| {
                found.extend(records);
                Some(marker.to_owned())
            },
        )
        .await;
    assert_eq!(calls.sent() as usize, asked.lock().unwrap().len());
    (found, asked.into_inner().unwrap(), listing)
}

#[tokio::test]
async fn every_page_is_read_and_an_empty_one_is_no_end() {
    let pages = vec![Ok((vec![1, 2], "a")), Ok((vec![], "b")), Ok((vec![3], ""))];
    let (found, asked, listing) = read(10, pages).await;
    assert_eq!(
        (found, asked),
        (vec![1, 2, 3], vec![String::new(), "a".into(), "b".into()])
    );
    assert!(listing.answered && listing.is_complete());
}

#[tokio::test]
async fn a_marker_that_comes_twice_ends_the_listing_as_truncated() {
    for pages in [
        vec![Ok((vec![1], "a")), Ok((vec![2], "a"))],
        vec![Ok((vec![1], "a")), Ok((vec![], "b")), Ok((vec![2], "a"))],
    ] {
        let (found, _, listing) = read(10, pages).await;
        assert_eq!(found, [1, 2], "what was read is kept");
        let failure = listing.failure.unwrap();
        assert_eq!(
            (failure.reason, failure.call.as_str()),
            (FailureReason::Truncated, CALL)
        );
        assert!(
            failure.message.contains("the same marker came twice"),
            "{}",
            failure.message
        );
    }
}

#[tokio::test]
async fn the_cap_is_reported_only_when_there_is_more() {
    let (found, _, listing) = read(2, vec![Ok((vec![1], "a")), Ok((vec![2], "b"))]).await;
    assert_eq!(found, [1, 2]);
    assert_eq!(listing.failure.unwrap().reason, FailureReason::Capped);

    let (_, _, listing) = read(2, vec![Ok((vec![1], "a")), Ok((vec![2], ""))]).await;
    assert!(listing.is_complete());
}

#[tokio::test]
async fn a_failure_in_the_middle_keeps_what_was_read() {
    let denied = || CallError::denied(CALL, CALL, "not authorized");
    let (found, _, listing) = read(10, vec![Ok((vec![1], "a")), Err(denied())]).await;
    assert_eq!((found, listing.answered), (vec![1], true));
    let failure = listing.failure.as_ref().unwrap();
    assert_eq!(
        (failure.reason, failure.permission.as_deref()),
        (FailureReason::Denied, Some(CALL))
    );
    let scan = calls(1).finish(empty(Service::Rds), [listing]);
    assert!(matches!(&scan.coverage, Coverage::Partial(failures) if failures.len() == 1));

    let (_, _, listing) = read(10, vec![Err(denied())]).await;
    let scan = calls(1).finish(empty(Service::Rds), [listing]);
    assert!(
        matches!(&scan.coverage, Coverage::Unread(failures) if failures[0].reason == FailureReason::Denied)
    );
}

#[tokio::test]
async fn one_of_two_listings_that_answers_makes_the_scope_partial_not_unread() {
    let broken = CallError::new(Reason::Server, CALL, "500");
    let (_, _, failed) = read(10, vec![Err(broken)]).await;
    let (_, _, read) = read(10, vec![Ok((vec![], ""))]).await;
    let scan = calls(1).finish(empty(Service::Rds), [failed, read]);
    assert_eq!(scan.coverage.as_str(), "partial");
}
