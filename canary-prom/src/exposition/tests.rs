use proptest::prelude::*;

use super::*;

/// A page's samples, one text each: `name{label=value} value @time`.
fn shown(page: &str, format: Format) -> Vec<String> {
    let samples = parse(page.as_bytes(), format).unwrap_or_else(|error| panic!("{page:?}: {error}"));
    samples.iter().map(show).collect()
}

fn show(sample: &MetricSample) -> String {
    let labels: Vec<_> = sample.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let time = sample.timestamp_ms.map_or_else(String::new, |ms| format!(" @{ms}"));
    format!("{}{{{}}} {}{time}", sample.name, labels.join(";"), sample.value)
}

fn refused(page: &str, format: Format) -> String {
    parse(page.as_bytes(), format).expect_err(page).to_string()
}

/// Every construct that the crate behind the lexer loses or misreads, and what it must be.
#[test]
fn text_constructs_are_read_as_written() {
    let cases = [
        ("a 1\n", "a{} 1"),
        ("a NaN\n", "a{} NaN"),
        ("a nan\n", "a{} NaN"),
        ("a +Inf\n", "a{} inf"),
        ("a -Inf\n", "a{} -inf"),
        ("a 1e-05\n", "a{} 0.00001"),
        ("a 1 1705329130123\n", "a{} 1 @1705329130123"),
        ("a\t1\t5\n", "a{} 1 @5"),
        ("  a  1  \n", "a{} 1"),
        ("a{} 1\n", "a{} 1"),
        ("a{b=\"1\"}2\n", "a{b=1} 2"),
        ("a {b=\"1\"} 2\n", "a{b=1} 2"),
        ("a{ b = \"1\" , c = \"2\" , } 2\n", "a{b=1;c=2} 2"),
        ("a{b=\"1,c=2\"} 2\n", "a{b=1,c=2} 2"),
        ("a{b=\"x=y\",c=\"d\"} 2\n", "a{b=x=y;c=d} 2"),
        ("a{path=\"/users/{id}\"} 2\n", "a{path=/users/{id}} 2"),
        ("a{b=\"\\\\ \\\" \\n\"} 2\n", "a{b=\\ \" \n} 2"),
        ("a{b=\"\\d\"} 2\n", "a{b=\\d} 2"),
        ("a{b=\"# 1 } \"} 2\n", "a{b=# 1 } } 2"),
        ("a{b=\"\"} 2\n", "a{b=} 2"),
        ("a{b=\"日本\"} 2\n", "a{b=日本} 2"),
        ("job:a:rate5m 1\n", "job:a:rate5m{} 1"),
        ("{\"my.metric\"} 1\n", "my.metric{} 1"),
        ("{\"my.metric\", \"a.b\"=\"c\"} 1\n", "my.metric{a.b=c} 1"),
        ("# a comment\n#\n#x\n\n# HELP a b {\n# TYPE a counter\na 1\n", "a{} 1"),
        ("# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\n", "h_bucket{le=+Inf} 1"),
        ("# TYPE s summary\ns{quantile=\"0.5\"} 1\n", "s{quantile=0.5} 1"),
        ("# EOF\na 1\n", "a{} 1"),
    ];
    for (page, expected) in cases {
        assert_eq!(shown(page, Format::Text), [expected], "{page:?}");
    }
    assert!(shown("", Format::Text).is_empty());
}

#[test]
fn buckets_that_differ_in_a_cut_label_stay_two() {
    let page = "# TYPE h histogram\nh_bucket{p=\"a,b\",le=\"1\"} 1\nh_bucket{p=\"a,c\",le=\"1\"} 2\n";
    assert_eq!(shown(page, Format::Text), ["h_bucket{p=a,b;le=1} 1", "h_bucket{p=a,c;le=1} 2"]);
}

#[test]
fn open_metrics_constructs_are_read_as_written() {
    let cases = [
        ("# TYPE x counter\nx_total 1 1705329130\n", "x_total{} 1 @1705329130000"),
        ("x_total 1 1705329130.5\n", "x_total{} 1 @1705329130500"),
        ("x_bucket{le=\"1.0\"} 3 # {trace_id=\"a b\"} 0.5 1705329130.1\n", "x_bucket{le=1.0} 3"),
        ("x_bucket{le=\"1.0\"} 3 # {} 0.5\n", "x_bucket{le=1.0} 3"),
        ("# UNIT x_seconds seconds\n# TYPE y stateset\ny{y=\"a\"} 1\n", "y{y=a} 1"),
    ];
    for (page, expected) in cases {
        assert_eq!(shown(&format!("{page}# EOF\n"), Format::OpenMetrics), [expected], "{page:?}");
    }
    assert!(shown("# EOF", Format::OpenMetrics).is_empty());
}

#[test]
fn broken_pages_are_refused_with_line_and_reason() {
    let cases = [
        ("a 1\nb 2", "line 2: the page ends in the middle of a line: it is truncated"),
        ("a 1\nb\n", "line 2: b has no value"),
        ("a 1\n\n<html>\n", "line 3: a line must start with a metric name, not '<'"),
        ("1a 1\n", "line 1: a line must start with a metric name, not '1'"),
        ("a one\n", "line 1: \"one\" is not a number"),
        ("a 0x1p4\n", "line 1: \"0x1p4\" is not a number"),
        ("a 1_000\n", "line 1: \"1_000\" is not a number"),
        ("a 1e999\n", "line 1: \"1e999\" is not a number"),
        ("a +NaN\n", "line 1: \"+NaN\" is not a number"),
        ("a 1\r\n", "line 1: \"1\\r\" is not a number"),
        ("a 1 1.5\n", "line 1: \"1.5\" is not a timestamp"),
        ("a 1 2 3\n", "line 1: '3' after the value"),
        ("a 1 # {b=\"c\"} 1\n", "line 1: '#' after the value"),
        ("a{b=\"1\"\n", "line 1: labels must be separated by ',', not the end of the line"),
        ("a{b=\"1} 2\n", "line 1: a quote is not closed"),
        ("a{b=\"1\\\n", "line 1: a quote is not closed"),
        ("a{b=1} 2\n", "line 1: a label's value must be quoted, not start with '1'"),
        ("a{b} 2\n", "line 1: label \"b\" must be followed by '=', not '}'"),
        ("a{,} 2\n", "line 1: a label must start with a letter or '_', not ','"),
        ("a{b=\"1\" c=\"2\"} 2\n", "line 1: labels must be separated by ',', not 'c'"),
        ("a{b=\"1\",b=\"2\"} 2\n", "line 1: label \"b\" is there twice"),
        ("a{x:y=\"1\"} 2\n", "line 1: label \"x\" must be followed by '=', not ':'"),
        ("{} 1\n", "line 1: a line must start with a metric name, not ' '"),
        ("# TYPE a number\n", "line 1: \"number\" is not a metric type"),
        ("# TYPE 1 counter\n", "line 1: TYPE must name a metric, not '1'"),
        ("a {count:1,sum:2} 1\n", "line 1: native histograms cannot be read; expose a classic histogram"),
        ("a{} {count:1}\n", "line 1: native histograms cannot be read; expose a classic histogram"),
    ];
    for (page, expected) in cases {
        assert_eq!(refused(page, Format::Text), expected, "{page:?}");
    }
    assert_eq!(
        refused("a 1\n", Format::OpenMetrics),
        "line 1: the page does not end with \"# EOF\": it is truncated"
    );
    assert_eq!(refused("# EOF\na 1\n# EOF\n", Format::OpenMetrics), "line 2: text after \"# EOF\"");
    let error = parse(b"a 1\nb\xff 2\n", Format::Text).unwrap_err();
    assert_eq!(error.to_string(), "line 2: not UTF-8 text");
}

#[test]
fn content_types_decide_the_format() {
    let text = |content_type| Format::from_content_type(content_type).map_err(|error| error.to_string());
    assert_eq!(text("text/plain; version=0.0.4; charset=utf-8"), Ok(Format::Text));
    assert_eq!(text(""), Ok(Format::Text));
    assert_eq!(text("application/openmetrics-text; version=1.0.0"), Ok(Format::OpenMetrics));
    assert_eq!(
        text("text/html; charset=utf-8"),
        Err("the page is HTML, not metrics; is the URL right?".to_owned())
    );
    assert!(text("application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily").is_err());
    assert!(text("application/json").is_err());
}

#[test]
fn unwanted_samples_are_still_checked() {
    let wanted =
        |page: &str| parse_where(page.as_bytes(), Format::Text, |name| name == "a").map(|all| all.len());
    assert_eq!(wanted("a 1\nb 2\nb 3\n"), Ok(1));
    assert!(wanted("a 1\nb two\n").is_err());
}

/// A page written from parts, and its parts.
fn pages() -> impl Strategy<Value = Vec<MetricSample>> {
    let value = prop_oneof![
        any::<f64>(),
        Just(f64::INFINITY),
        Just(f64::NEG_INFINITY),
        (-5..5i32).prop_map(f64::from)
    ];
    let labels = proptest::collection::btree_map("[a-zA-Z_][a-zA-Z0-9_]{0,5}", "[^\u{0}]{0,12}", 0..5);
    let time = proptest::option::of(0..i64::MAX);
    let sample =
        ("[a-zA-Z_:][a-zA-Z0-9_:]{0,8}", labels, value, time).prop_map(|(name, labels, value, time)| {
            MetricSample { name, labels: labels.into_iter().collect(), value, timestamp_ms: time }
        });
    proptest::collection::vec(sample, 0..20)
}

fn written(samples: &[MetricSample]) -> String {
    let mut page = String::new();
    for sample in samples {
        let escape = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let labels: Vec<_> =
            sample.labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escape(value))).collect();
        let time = sample.timestamp_ms.map_or_else(String::new, |ms| format!(" {ms}"));
        page.push_str(&format!("{}{{{}}} {}{time}\n", sample.name, labels.join(","), sample.value));
    }
    page
}

proptest! {
    #[test]
    fn pages_round_trip(samples in pages()) {
        let read = parse(written(&samples).as_bytes(), Format::Text).unwrap();
        prop_assert_eq!(read.len(), samples.len());
        for (read, sample) in read.iter().zip(&samples) {
            prop_assert_eq!(show(read), show(sample));
        }
    }

    #[test]
    fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes, Format::Text);
        let _ = parse(&bytes, Format::OpenMetrics);
    }

    #[test]
    fn near_misses_never_panic_and_lose_nothing(text in "[a-b{}=\",\\\\# \n0-1.eE+NaInf-]{0,60}") {
        let page = format!("{text}\n");
        if let Ok(read) = parse(page.as_bytes(), Format::Text) {
            let lines = page.lines().filter(|l| !l.trim().is_empty() && !l.trim().starts_with('#')).count();
            prop_assert_eq!(read.len(), lines);
        }
        let _ = parse(format!("{page}# EOF\n").as_bytes(), Format::OpenMetrics);
    }

    #[test]
    fn a_page_cut_anywhere_is_noticed_or_shorter(samples in pages(), cut in any::<proptest::sample::Index>()) {
        let page = written(&samples);
        if !page.is_empty() {
            let cut = cut.index(page.len());
            if let Ok(read) = parse(&page.as_bytes()[..cut], Format::Text) {
                prop_assert!(cut == 0 || page.as_bytes()[cut - 1] == b'\n');
                prop_assert!(read.len() < samples.len());
            }
        }
    }
}
