//! Floating-point numbers as mantissa, exponent and sign.

/// Mantissa, exponent of two, sign.
pub type Parts = (u64, i16, i8);

/// The exponent of infinity and of what is no number, for both precisions, with the mantissa of infinity.
const DOUBLE: (i16, u64) = (972, 1 << 52);
const SINGLE: (i16, u64) = (105, 1 << 23);

/// Takes a number apart; the product of the parts is the number.
pub fn parts_of_double(number: f64) -> Parts {
    let bits = number.to_bits();
    let exponent = ((bits >> 52) & 0x7ff) as i16;
    let fraction = bits & ((1 << 52) - 1);
    let mantissa = if exponent == 0 { fraction << 1 } else { fraction | 1 << 52 };
    (mantissa, exponent - 1075, sign(number.is_sign_negative()))
}

/// The same with the parts of a number of single precision.
pub fn parts_of_single(number: f32) -> Parts {
    let bits = number.to_bits();
    let exponent = ((bits >> 23) & 0xff) as i16;
    let fraction = u64::from(bits & ((1 << 23) - 1));
    let mantissa = if exponent == 0 { fraction << 1 } else { fraction | 1 << 23 };
    (mantissa, exponent - 150, sign(number.is_sign_negative()))
}

fn sign(negative: bool) -> i8 {
    if negative { -1 } else { 1 }
}

/// The number of the parts.
pub fn double(parts: Parts) -> Result<f64, String> {
    number(parts, DOUBLE)
}

/// The number of the parts, which are those of single precision.
pub fn single(parts: Parts) -> Result<f64, String> {
    number(parts, SINGLE)
}

fn number((mantissa, exponent, sign): Parts, infinity: (i16, u64)) -> Result<f64, String> {
    let sign = match sign {
        1 => 1.0,
        -1 => -1.0,
        other => return Err(format!("the sign of a floating-point number is 1 or -1, not {other}")),
    };
    if exponent == infinity.0 && mantissa > infinity.1 {
        return Ok(f64::NAN);
    }
    if (exponent, mantissa) == infinity {
        return Ok(sign * f64::INFINITY);
    }
    if mantissa == 0 {
        return Ok(sign * 0.0);
    }
    // In steps: a single power of two for the smallest numbers would be zero.
    let (mut number, mut exponent) = (mantissa as f64, i32::from(exponent));
    while exponent < -1000 {
        number *= 2f64.powi(-1000);
        exponent += 1000;
    }
    while exponent > 1000 {
        number *= 2f64.powi(1000);
        exponent -= 1000;
    }
    Ok(sign * number * 2f64.powi(exponent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_comes_back_as_it_was() {
        let numbers =
            [0.0, -0.0, 1.5, -1.5, 0.1, f64::MAX, f64::MIN_POSITIVE, 5e-324, f64::INFINITY, f64::NEG_INFINITY];
        for number in numbers {
            assert_eq!(double(parts_of_double(number)).unwrap().to_bits(), number.to_bits(), "{number:e}");
        }
        assert!(double(parts_of_double(f64::NAN)).unwrap().is_nan());
        for number in [0.0f32, -0.0, 0.1, f32::MAX, 1e-45, f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(single(parts_of_single(number)).unwrap(), f64::from(number), "{number:e}");
        }
        assert!(single(parts_of_single(f32::NAN)).unwrap().is_nan());
    }

    #[test]
    fn parts_need_not_be_the_ones_that_we_would_write() {
        assert_eq!(double((3, -1, -1)), Ok(-1.5));
        assert_eq!(double((1, 2000, 1)), Ok(f64::INFINITY));
        assert_eq!(double((1, -3000, 1)), Ok(0.0));
        assert_eq!(double((0, 32767, 1)), Ok(0.0));
        assert!(double((1, 0, 0)).is_err());
        assert_eq!(parts_of_double(1.5), (6755399441055744, -52, 1));
    }
}
