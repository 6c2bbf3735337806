//! A certificate for the server, signed by an authority made for it alone.

use std::fs;

use crate::error::{During, Result};
use crate::process::Process;
use crate::programs::{bare, run};

/// The authority's certificate, in the data folder.
pub(crate) const ROOT: &str = "root.crt";

/// Some clients take no certificate that signs itself, so there are two.
const EXTENSIONS: &str = "subjectAltName=DNS:localhost,IP:127.0.0.1\n\
                          basicConstraints=critical,CA:FALSE\n\
                          extendedKeyUsage=serverAuth\n";

const STEPS: [&str; 3] = [
    "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=authority \
     -keyout root.key -out root.crt",
    "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost \
     -keyout server.key -out server.csr",
    "x509 -req -in server.csr -CA root.crt -CAkey root.key -CAcreateserial -days 30 \
     -extfile server.ext -out server.crt",
];

/// Makes `server.crt` and `server.key` in the data folder.
pub(crate) fn certify(process: &Process) -> Result<()> {
    let data = process.data();
    let extensions = data.join("server.ext");
    fs::write(&extensions, EXTENSIONS).during("writing the certificate's extensions")?;
    process.account.own(&extensions)?;
    for step in STEPS {
        let mut openssl = bare("openssl");
        process.account.apply(&mut openssl);
        run(openssl.current_dir(&data).args(step.split_whitespace()))?;
    }
    Ok(())
}
