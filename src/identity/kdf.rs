//! How much work a file may ask for before it is opened.
//!
//! The figures stand in the file, in clear, so a damaged or malicious one can ask for hours. They are
//! checked before anything is derived. At the limits opening takes about a second; `openssl` writes 2,048
//! rounds, careful people up to 1,300,000.

/// Most rounds of PBKDF2.
pub(super) const PBKDF2_ROUNDS: u64 = 2_000_000;
/// Most rounds of the PKCS#12 derivation, which runs three times for one key.
pub(super) const PKCS12_ROUNDS: u64 = 1_000_000;
/// Most rounds that one PKCS#12 file may ask for in all its parts.
pub(super) const PKCS12_FILE_ROUNDS: u64 = 4_000_000;
/// Most memory that scrypt fills, in bytes, over all its lanes: they run one after the other.
pub(super) const SCRYPT_MEMORY: u64 = 256 * 1024 * 1024;

/// More than is accepted: what is asked for, and the limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Excess {
    pub(super) asked: String,
    pub(super) limit: String,
}

/// Checks rounds against one of the limits above.
pub(super) fn rounds(function: &str, asked: u64, limit: u64) -> Result<(), Excess> {
    if asked > limit {
        return Err(Excess {
            asked: format!("{asked} {function} rounds"),
            limit: limit.to_string(),
        });
    }
    Ok(())
}

/// Checks scrypt's cost N, block size r and parallelisation p.
pub(super) fn scrypt(cost: u64, block_size: u64, lanes: u64) -> Result<(), Excess> {
    let memory = cost
        .saturating_mul(block_size)
        .saturating_mul(lanes)
        .saturating_mul(128);
    if memory > SCRYPT_MEMORY {
        return Err(Excess {
            asked: format!("{memory} bytes to be filled by scrypt"),
            limit: SCRYPT_MEMORY.to_string(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits() {
        assert_eq!(rounds("PBKDF2", 2_000_000, PBKDF2_ROUNDS), Ok(()));
        assert!(rounds("PBKDF2", 2_000_001, PBKDF2_ROUNDS).is_err());
        // openssl's own default and the largest that fits.
        assert_eq!(scrypt(16_384, 8, 1), Ok(()));
        assert_eq!(scrypt(262_144, 8, 1), Ok(()));
        assert_eq!(scrypt(65_536, 8, 4), Ok(()));
        assert!(scrypt(262_144, 9, 1).is_err());
        assert!(scrypt(65_536, 8, 5).is_err());
        assert!(scrypt(u64::MAX, u64::MAX, 1).is_err());
    }
}
