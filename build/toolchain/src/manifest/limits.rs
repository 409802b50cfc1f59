//! Limits in their spellings. All of them mean the same; two that disagree are an error, because whichever won, the author
//! would have meant the other.

use belljar_package::Limits;

use super::{
    reader::{At, Reader},
    tree::Node,
};

/// One limit: its canonical name, its other spellings, its range.
struct Spelling {
    canonical: &'static str,
    others: &'static [&'static str],
    low: u64,
    high: u64,
    set: fn(&mut Limits, u64),
}

fn small(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

const SPELLINGS: [Spelling; 9] = [
    Spelling {
        canonical: "max_memory_mb",
        others: &["maxMemoryMB", "maxMemoryMb", "memory_mb_max"],
        low: 1,
        high: 65_536,
        set: |limits, value| limits.max_memory_mb = Some(small(value)),
    },
    Spelling {
        canonical: "max_cpu_percent",
        others: &["maxCpuPercent", "maxCPUPercent", "cpu_percent_max"],
        low: 1,
        high: 10_000,
        set: |limits, value| limits.max_cpu_percent = Some(small(value)),
    },
    Spelling {
        canonical: "max_execution_ms",
        others: &["maxExecutionMs", "maxExecutionMS", "execution_ms_max"],
        low: 1,
        high: 86_400_000,
        set: |limits, value| limits.max_execution_ms = Some(value),
    },
    Spelling {
        canonical: "max_concurrent",
        others: &["maxConcurrentRequests", "maxConcurrent", "max_concurrent_requests", "concurrent_max"],
        low: 1,
        high: 1_000_000,
        set: |limits, value| limits.max_concurrent = Some(small(value)),
    },
    Spelling {
        canonical: "fuel_max",
        others: &["fuelMax", "max_fuel", "maxFuel"],
        low: 1,
        high: i64::MAX as u64,
        set: |limits, value| limits.fuel_max = Some(value),
    },
    Spelling {
        canonical: "subrequests_max",
        others: &["subrequestsMax", "max_subrequests", "maxSubrequests"],
        low: 0,
        high: 1_000_000,
        set: |limits, value| limits.subrequests_max = Some(small(value)),
    },
    Spelling {
        canonical: "log_bytes_max",
        others: &["logBytesMax", "max_log_bytes", "maxLogBytes"],
        low: 0,
        high: 1 << 40,
        set: |limits, value| limits.log_bytes_max = Some(value),
    },
    Spelling {
        canonical: "response_bytes_max",
        others: &["responseBytesMax", "max_response_bytes", "maxResponseBytes"],
        low: 0,
        high: 1 << 40,
        set: |limits, value| limits.response_bytes_max = Some(value),
    },
    Spelling {
        canonical: "rows_max",
        others: &["rowsMax", "max_rows", "maxRows"],
        low: 0,
        high: 1 << 40,
        set: |limits, value| limits.rows_max = Some(value),
    },
];

/// Reads `runtime.limits` and every `resources` there is.
pub(crate) fn read(reader: &mut Reader<'_>, limits: Option<&Node>, resources: &[Option<&Node>]) -> Limits {
    let known: Vec<&'static str> = SPELLINGS
        .iter()
        .map(|spelling| spelling.canonical)
        .chain(SPELLINGS.iter().flat_map(|spelling| spelling.others.iter().copied()))
        .collect();
    let places = limits.map(|node| ("runtime.limits", node)).into_iter();
    let places = places.chain(resources.iter().flatten().map(|node| ("resources", *node)));
    let mut maps = Vec::new();
    for (what, node) in places {
        if let Some(fields) = reader.map(what, node, &known) {
            maps.push((what, fields));
        }
    }
    let mut result = Limits::default();
    for spelling in &SPELLINGS {
        let mut first: Option<(At<u64>, String)> = None;
        for (what, fields) in &maps {
            for name in std::iter::once(&spelling.canonical).chain(spelling.others) {
                let Some(node) = fields.get(name) else { continue };
                let here = format!("{what}.{name}");
                let Some(value) = reader.number(&here, node, spelling.low, spelling.high) else { continue };
                match &first {
                    Some((other, there)) if other.value != value.value => {
                        let (line, column) = reader.file.line_column(other.start);
                        let message =
                            format!("{here} says {}, but {there} says {} at {line}:{column}", value.value, other.value);
                        let help = format!("they are the same limit: keep 'runtime.limits.{}'", spelling.canonical);
                        reader.error("manifest.limits-disagree", message, (value.start, value.end), &help);
                    }
                    Some(_) => {}
                    None => first = Some((value, here)),
                }
            }
        }
        if let Some((value, _)) = first {
            (spelling.set)(&mut result, value.value);
        }
    }
    result
}
