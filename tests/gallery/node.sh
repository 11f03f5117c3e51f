# name: Node.js
# kind: JavaScript, processes started while threads look names up
# need: node nodejs
# forks: 100
# bare: works
set -eu
echo "version: $(node --version | tr -d v)"
exec node - "$@" <<'END'
const { execFile } = require("child_process"), dns = require("dns");
const [forks, most] = process.argv.slice(2).map(Number);
const look = () => dns.lookup("localhost", { hints: dns.ADDRCONFIG }, look);
for (let i = 0; i < 3; i++) look();
let done = 0, hangs = 0, wrong = 0;
const start = () => {
    if (done === forks || hangs >= most) {
        console.log(`forks=${done} hangs=${hangs} crashes=0 wrong=${wrong}`);
        process.exit(0);
    }
    execFile("echo", [`${done}`], { timeout: 10000, killSignal: "SIGKILL" }, (error, text) => {
        if (error && error.killed) hangs++;
        else if (error || text !== `${done}\n`) wrong++;
        done++;
        start();
    });
};
start();
END
