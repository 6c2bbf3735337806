//! Texts that are stored in another form, and appends that take more than one statement.

use threadkeep_core::{Direction, LogFilter, LogQuery, LogStore as _};

use crate::support::{all, append, entry, found, open, server};

#[tokio::test]
async fn odd_characters_match_what_they_are_and_nothing_else() {
    let test = "odd_characters_match_what_they_are_and_nothing_else";
    let Some(server) = server(test) else { return };
    let store = open(server, test).await;
    let characters = ["\0", "\u{1}", "\u{2}", "a", "B", "é"];
    let mut texts = vec![String::new()];
    for one in characters {
        for two in characters {
            texts.push(one.to_owned());
            texts.push(format!("{one}{two}"));
            for three in characters {
                texts.push(format!("{one}{two}{three}"));
            }
        }
    }
    append(&store, texts.iter().map(|text| entry(text)).collect()).await;
    let stored = all(&store).await;
    let read: Vec<_> = stored.items.iter().map(|row| row.entry.message.clone().unwrap()).collect();
    assert_eq!(read, texts);
    for part in &texts {
        let filter = LogFilter::new().message(part.clone());
        let expected: Vec<_> =
            stored.items.iter().filter(|row| filter.matches(row)).cloned().collect();
        assert_eq!(found(&store, filter.clone()).await.items, expected, "{part:?}");
        // Pages are full although more is looked at than matches.
        for direction in [Direction::Ascending, Direction::Descending] {
            let mut query = LogQuery::new(filter.clone()).direction(direction).limit(2);
            let mut paged = Vec::new();
            loop {
                let page = store.query(query.clone()).await.unwrap();
                assert!(page.items.len() == 2 || !page.more, "{part:?}");
                let last = page.items.last().map(|row| row.id);
                paged.extend(page.items);
                if !page.more {
                    break;
                }
                match direction {
                    Direction::Ascending => query.filter.after_id = last,
                    Direction::Descending => query.filter.before_id = last,
                }
            }
            if direction == Direction::Descending {
                paged.reverse();
            }
            assert_eq!(paged, expected, "{part:?} {direction:?}");
        }
    }
}

#[tokio::test]
async fn an_append_of_any_size_is_one() {
    let test = "an_append_of_any_size_is_one";
    let Some(server) = server(test) else { return };
    let store = open(server, test).await;
    append(&store, vec![entry("before")]).await;
    // More than fits into one message to the server: many small ones, and few large ones.
    let many: Vec<_> = (0..60_000).map(|nth| entry(&nth.to_string())).collect();
    let ids = append(&store, many).await;
    assert_eq!((ids.first, ids.last), (2, 60_001));
    let message = r#"'\"{},"#.repeat(150_000);
    let large: Vec<_> = (0..20).map(|_| entry(&message)).collect();
    let ids = append(&store, large).await;
    assert_eq!((ids.first, ids.last), (60_002, 60_021));
    let page = found(&store, LogFilter::new().after_id(60_001)).await;
    assert_eq!(page.items.len(), 20);
    assert!(page.items.iter().all(|row| row.entry.message.as_deref() == Some(message.as_str())));
    let page = found(&store, LogFilter::new().after_id(52_000)).await;
    let expected: Vec<_> = (52_001..=60_021).collect();
    assert_eq!(page.items.iter().map(|row| row.id).collect::<Vec<_>>(), expected);
    assert_eq!(page.items[0].entry.message.as_deref(), Some("51999"));
}
