//! Embeds the web app anew where it was built anew.

fn main() {
    println!("cargo:rerun-if-changed=../web/dist");
}
