use super::*;

fn note(events: &Events, kind: EventKind, text: &str) {
    let object = Object::instance("VI_1");
    events.note(
        Instant::ZERO,
        Level::Info,
        kind,
        object,
        format_args!("{text}"),
    );
}

fn texts(events: &Events) -> Vec<String> {
    let ring = events.0.borrow();
    ring.entries
        .iter()
        .map(|one| one.event().text.to_owned())
        .collect()
}

#[test]
fn the_ring_keeps_the_latest_and_numbers_are_never_used_twice() {
    let events = Events::new(Some(3));
    for nth in 1..=5 {
        note(&events, EventKind::Repair, &nth.to_string());
    }
    assert_eq!(texts(&events), ["3", "4", "5"]);
    events.set_limit(Some(0));
    note(&events, EventKind::Repair, "6");
    assert_eq!(texts(&events), [""; 0]);
    events.set_limit(Some(2));
    note(&events, EventKind::Repair, "7");
    assert_eq!(texts(&events), ["7"]);
    assert_eq!(events.0.borrow().last, 7);
}

#[test]
fn what_others_cause_cannot_push_out_the_rest() {
    let events = Events::new(Some(100));
    for nth in 0..100 {
        note(&events, EventKind::Repair, &nth.to_string());
    }
    for nth in 0..10_000 {
        note(&events, EventKind::Peer, &format!("peer {nth}"));
    }
    let texts = texts(&events);
    let (peers, repairs): (Vec<_>, Vec<_>) =
        texts.iter().partition(|text| text.starts_with("peer"));
    assert_eq!((texts.len(), peers.len()), (100, 20));
    assert_eq!(repairs.first().map(|text| &***text), Some("20"));
    assert_eq!(peers.last().map(|text| &***text), Some("peer 9999"));
}

#[test]
fn a_kind_keeps_its_latest_while_another_is_frequent() {
    let events = Events::new(Some(10));
    note(&events, EventKind::Foreign, "foreign");
    for nth in 0..1000 {
        note(&events, EventKind::Script, &nth.to_string());
    }
    let texts = texts(&events);
    assert_eq!(texts.len(), 10);
    assert_eq!([&texts[0], &texts[1], &texts[9]], ["foreign", "991", "999"]);
}

#[test]
fn long_names_and_texts_are_cut_and_found() {
    let events = Events::new(Some(4));
    let name = "é".repeat(100);
    let text = "→".repeat(100);
    let object = Object::instance(&name);
    events.note(
        Instant::ZERO,
        Level::Info,
        EventKind::Repair,
        object,
        format_args!("{text}"),
    );
    let ring = events.0.borrow();
    let event = ring.entries.front().expect("event").event();
    assert_eq!(event.name, "é".repeat(32));
    assert_eq!(event.text, "→".repeat(66));
    assert!(event.is_about(&name), "the name is cut on both sides");
}

#[test]
fn an_entry_is_as_small_as_documented() {
    assert!(size_of::<Entry>() <= 96);
}
