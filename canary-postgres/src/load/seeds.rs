//! Reproducible choices, and values for any parameter.

use std::error::Error;

use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{IsNull, Kind, ToSql, Type, to_sql_checked};

/// A sequence that the seed alone decides (SplitMix64; Steele, Lea, Flood 2014).
#[derive(Debug, Clone)]
pub(super) struct Seeds(u64);

impl Seeds {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, n: usize) -> usize {
        if n == 0 { 0 } else { usize::try_from(self.next() % n as u64).unwrap_or(0) }
    }
}

/// A value for a parameter of whatever type; NULL for types without one here.
#[derive(Debug)]
pub(super) struct Value(pub(super) u64);

impl ToSql for Value {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        let small = (self.0 % 1000) as u16 + 1;
        match ty.kind() {
            Kind::Enum(labels) => {
                let at = usize::from(small) % labels.len().max(1);
                return labels.get(at).map_or(Ok(IsNull::Yes), |label| label.to_sql(ty, out));
            }
            Kind::Domain(base) => return self.to_sql(base, out),
            Kind::Array(item) => {
                // No dimensions: an empty array.
                out.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0]);
                out.extend_from_slice(&item.oid().to_be_bytes());
                return Ok(IsNull::No);
            }
            _ => {}
        }
        match ty.name() {
            "bool" => small.is_multiple_of(2).to_sql(ty, out),
            "int2" => i16::try_from(small)?.to_sql(ty, out),
            "int4" => i32::from(small).to_sql(ty, out),
            "int8" => i64::from(small).to_sql(ty, out),
            "oid" => u32::from(small).to_sql(ty, out),
            "float4" => f32::from(small).to_sql(ty, out),
            "float8" => f64::from(small).to_sql(ty, out),
            "text" | "varchar" | "bpchar" | "name" | "citext" => {
                format!("canary {small}").to_sql(&Type::TEXT, out)
            }
            "bytea" => small.to_be_bytes().as_slice().to_sql(ty, out),
            "uuid" => raw(out, &[self.0.to_be_bytes(), self.0.rotate_left(32).to_be_bytes()].concat()),
            // Microseconds and days since 2000-01-01: some day of the last years.
            "timestamptz" | "timestamp" => raw(out, &(i64::from(small) * 864_000_000_000).to_be_bytes()),
            "date" => raw(out, &i32::from(small).to_be_bytes()),
            "time" => raw(out, &(i64::from(small) * 1_000_000).to_be_bytes()),
            // One digit group below 10,000, of weight 0, without a sign and a scale.
            "numeric" => raw(out, &[&[0, 1, 0, 0, 0, 0, 0, 0][..], &small.to_be_bytes()].concat()),
            "json" => raw(out, b"{}"),
            "jsonb" => raw(out, b"\x01{}"),
            "interval" => raw(out, &[&1_000_000_i64.to_be_bytes()[..], &[0; 8]].concat()),
            _ => Ok(IsNull::Yes),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

fn raw(out: &mut BytesMut, bytes: &[u8]) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
    out.extend_from_slice(bytes);
    Ok(IsNull::No)
}
