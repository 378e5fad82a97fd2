//! The codes of states and organisations (ICAO Doc 9303, part 3, section 5, which takes those of ISO 3166-1 and adds
//! some). No check digit covers them in most zones; what is none of them was read wrongly, or is younger than
//! this list.

use super::confusion::FILLER;

const CODES: &str = "
    ABW AFG AGO AIA ALA ALB AND ARE ARG ARM ASM ATA ATF ATG AUS AUT AZE BDI BEL BEN BES BFA BGD BGR BHR BHS BIH BLM BLR
    BLZ BMU BOL BRA BRB BRN BTN BVT BWA CAF CAN CCK CHE CHL CHN CIV CMR COD COG COK COL COM CPV CRI CUB CUW CXR CYM CYP
    CZE DJI DMA DNK DOM DZA ECU EGY ERI ESH ESP EST ETH FIN FJI FLK FRA FRO FSM GAB GBR GEO GGY GHA GIB GIN GLP GMB GNB
    GNQ GRC GRD GRL GTM GUF GUM GUY HKG HMD HND HRV HTI HUN IDN IMN IND IOT IRL IRN IRQ ISL ISR ITA JAM JEY JOR JPN KAZ
    KEN KGZ KHM KIR KNA KOR KWT LAO LBN LBR LBY LCA LIE LKA LSO LTU LUX LVA MAC MAF MAR MCO MDA MDG MDV MEX MHL MKD MLI
    MLT MMR MNE MNG MNP MOZ MRT MSR MTQ MUS MWI MYS MYT NAM NCL NER NFK NGA NIC NIU NLD NOR NPL NRU NZL OMN PAK PAN PCN
    PER PHL PLW PNG POL PRI PRK PRT PRY PSE PYF QAT REU ROU RUS RWA SAU SDN SEN SGP SGS SHN SJM SLB SLE SLV SMR SOM SPM
    SRB SSD STP SUR SVK SVN SWE SWZ SXM SYC SYR TCA TCD TGO THA TJK TKL TKM TLS TON TTO TUN TUR TUV TWN TZA UGA UKR UMI
    URY USA UZB VAT VCT VEN VGB VIR VNM VUT WLF WSM YEM ZAF ZMB ZWE
    D GBD GBN GBO GBP GBS RKS EUE UNO UNA UNK XAA XBA XCC XCE XCO XEC XIM XMP XOM XPO XXA XXB XXC XXX UTO";

/// Letters that are taken for one another.
const ALIKE: [&[u8]; 5] = [b"OQDUCG", b"ILJT", b"BER", b"MNHW", b"VYU"];

/// Makes a code of what is none, where only one code looks like it: one letter off, and that one alike.
pub(super) fn correct(state: &mut [u8]) {
    if is_code(state) {
        return;
    }
    let mut found = None;
    for at in 0..state.len() {
        let groups = ALIKE.iter().filter(|group| group.contains(&state[at]));
        for &other in groups.copied().flatten() {
            let mut changed = state.to_vec();
            changed[at] = other;
            if is_code(&changed) && found.replace(changed).is_some() {
                return;
            }
        }
    }
    if let Some(code) = found {
        state.copy_from_slice(&code);
    }
}

/// All codes.
pub(super) fn codes() -> impl Iterator<Item = &'static str> {
    CODES.split_whitespace()
}

fn is_code(state: &[u8]) -> bool {
    let letters = state.split(|&byte| byte == FILLER).next().unwrap_or_default();
    let padded = state[letters.len()..].iter().all(|&byte| byte == FILLER);
    padded && codes().any(|code| code.as_bytes() == letters)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn corrected(state: &str) -> String {
        let mut bytes = state.as_bytes().to_vec();
        correct(&mut bytes);
        String::from_utf8(bytes).expect("letters")
    }

    #[test]
    fn the_only_code_that_looks_alike_is_meant() {
        assert_eq!(corrected("OTO"), "UTO");
        assert_eq!(corrected("NLO"), "NLD");
        assert_eq!(corrected("ITA"), "ITA", "a code stays");
        assert_eq!(corrected("D<<"), "D<<");
        assert_eq!(corrected("QQQ"), "QQQ", "two letters off");
        assert_eq!(corrected("CUX"), "CUX", "CUB is not alike");
        assert_eq!(corrected("GVD"), "GVD", "nothing near");
    }

    #[test]
    fn of_two_codes_none_is_meant() {
        // GRO could have been GRC or GRD.
        assert_eq!(corrected("GRO"), "GRO");
    }
}
