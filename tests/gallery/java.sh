# name: Java
# kind: Java, processes started while threads look names up and allocate
# need: javac default-jdk-headless
# forks: 100
# bare: works
# when: full
set -eu
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
cd "$directory"
echo "version: $(java --version | sed -n '1s/^[^ ]* \([^ ]*\).*/\1/p')"
cat >Starts.java <<'END'
import java.util.concurrent.TimeUnit;
public class Starts {
    static void look() {
        try { for (;;) java.net.InetAddress.getAllByName("localhost" + new String(new char[0])); } catch (Exception e) { throw new Error(e); }
    }
    public static void main(String[] arguments) throws Exception {
        int forks = Integer.parseInt(arguments[0]), most = Integer.parseInt(arguments[1]), done = 0, hangs = 0, wrong = 0;
        for (int i = 0; i < 3; i++) { var thread = new Thread(Starts::look); thread.setDaemon(true); thread.start(); }
        for (; done < forks && hangs < most; done++) {
            var child = new ProcessBuilder("echo", "" + done).start();
            if (!child.waitFor(10, TimeUnit.SECONDS)) { hangs++; child.destroyForcibly(); continue; }
            if (!new String(child.getInputStream().readAllBytes()).equals(done + "\n")) wrong++;
        }
        System.out.println("forks=" + done + " hangs=" + hangs + " crashes=0 wrong=" + wrong);
    }
}
END
javac Starts.java && java Starts "$@"
