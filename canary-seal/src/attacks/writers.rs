//! What a writer does that finds what an attacker left, by what it knows of its journal.

use super::*;
use crate::anchors;

/// What a writer knows of its journal beyond the files: nothing, the last record that a receiver was told of, or a head's copy elsewhere; and which
/// measure of the table that is.
fn knowledge(site: &Site) -> [(&'static str, usize, Vec<Mark>); 3] {
    let log = Some(Line::read(site.lines[0].trim_end().as_bytes()).unwrap().log.to_owned());
    let (seq, hash) = *site.anchors.last().unwrap();
    let told = Mark { log, seq, known: Known::Hash(hash), by: "notified.json".into() };
    let copy = anchors(&fs::read_to_string(head_path(&site.path)).unwrap(), "a copy of its head").unwrap();
    [("nothing", 3, Vec::new()), ("told", 5, vec![told]), ("copy", 5, copy)]
}

/// What a writer does that finds what an attacker left: it goes on, or it refuses and changes nothing.
#[tokio::test]
async fn a_writer_refuses_what_was_signed_otherwise() {
    for (attack, journals) in (0..12).flat_map(|attack| JOURNALS.map(|journals| (attack, journals))) {
        let site = site(journals).await;
        let (name, (lines, head), finds) = attacks(&site).swap_remove(attack);
        for (what, measure, known) in knowledge(&site) {
            let name = format!("{name}, known: {what}");
            leave(&site.path, &lines, head.as_deref());
            let before = (fs::read(&site.path).ok(), fs::read(head_path(&site.path)).ok());
            let opened = guarded(&site.path, 1, known.clone());
            // Without the file and its head there is nothing that could be held against anything, unless something is known from elsewhere.
            let refused = finds[measure] && !(lines.is_empty() && known.is_empty());
            assert_eq!(opened.is_err(), refused, "{name}: {:?}", opened.err());
            if refused {
                let after = (fs::read(&site.path).ok(), fs::read(head_path(&site.path)).ok());
                assert_eq!(after, before, "{name}: it was written to");
            }
        }
    }
}

/// Puts in place what an attacker left, and nothing else.
fn leave(path: &Path, lines: &[String], head: Option<&str>) {
    for (path, text) in [(path.to_owned(), Some(lines.concat())), (head_path(path), head.map(str::to_owned))]
    {
        match text.filter(|text| !text.is_empty()) {
            Some(text) => fs::write(path, text).unwrap(),
            None => drop(fs::remove_file(path)),
        }
    }
}

#[tokio::test]
async fn who_is_refused_is_told_what_is_known_and_by_whom() {
    let site = site(JOURNALS[1]).await;
    let [_, (_, _, told), (_, _, copy)] = knowledge(&site);
    let (cut, early) = (site.lines[..CUT].to_vec(), site.early.clone());
    let says = |lines: &[String], head: Option<&str>, known: &[Mark]| {
        leave(&site.path, lines, head);
        match guarded(&site.path, 1, known.to_vec()) {
            Err(JournalError::Anchor { why, by, .. }) => (why, by),
            other => panic!("{other:?}"),
        }
    };
    let by = |why: &str, by: &str| (why.to_owned(), by.to_owned());
    let told_by = "notified.json";
    assert_eq!(
        says(&cut, Some(&early), &told),
        by("it ends with record 34, notified.json knows record 39", told_by)
    );
    assert_eq!(says(&[], None, &told), by("it is gone: notified.json knows its record 39", told_by));
    let other = with(&site.lines[39], |body| body.replacen("reason 39", "reason 93", 1));
    let forged = [&site.lines[..39], &[other]].concat();
    let (why, _) = says(&forged, Some(&head(&forged, 1)), &copy);
    assert!(
        why.starts_with("record 39: a copy of its head knows the 40 records up to it by another root"),
        "{why}"
    );
}

#[tokio::test]
async fn a_copy_of_the_head_is_kept_and_does_not_hold_anybody_up() {
    let dir = tempfile::tempdir().unwrap();
    let (path, elsewhere) = (dir.path().join("decisions.jsonl"), dir.path().join("elsewhere"));
    let copy = elsewhere.join("decisions.head");
    let open = |known| {
        let writer = Writer { pid: 1, host: "h".into(), actor: "anna".into(), engine: "0".into() };
        let guard = Guard { known, copy: Some(copy.clone()), ..Guard::new(seal(1)) };
        FileJournal::open_guarded(&path, &writer, [1; 16], clock(), guard)
    };
    let journal = open(Vec::new()).unwrap();
    journal.append(decided(0)).await.unwrap();
    assert!(!copy.exists(), "there is no such place yet, and the record was taken");
    fs::create_dir(&elsewhere).unwrap();
    journal.append(decided(1)).await.unwrap();
    assert_eq!(fs::read_to_string(&copy).unwrap(), fs::read_to_string(head_path(&path)).unwrap());
    drop(journal);
    let known = || anchors(&fs::read_to_string(&copy).unwrap(), "copy").unwrap();
    drop(open(known()).unwrap());
    for file in [path.clone(), head_path(&path)] {
        fs::remove_file(file).unwrap();
    }
    let kept = fs::read(&copy).unwrap();
    assert!(matches!(open(known()), Err(JournalError::Anchor { .. })));
    assert!(!path.exists(), "nothing was begun anew");
    assert_eq!(fs::read(&copy).unwrap(), kept, "what is known stays");
}
