// Controls.java: threads that share a monitor while the program starts others.
//
//   Controls COUNT
public class Controls {
    static final Object lock = new Object();
    static long sum = 0;

    static void add(int count) {
        for (int i = 0; i < count; i++)
            synchronized (lock) {
                sum++;
            }
    }

    public static void main(String[] arguments) throws Exception {
        int count = Integer.parseInt(arguments[0]);
        var threads = new Thread[4];
        for (int i = 0; i < threads.length; i++) {
            threads[i] = new Thread(() -> add(count));
            threads[i].start();
        }
        for (int i = 0; i < 20; i++)
            if (new ProcessBuilder("true").start().waitFor() != 0) System.exit(1);
        for (var thread : threads) thread.join();
        if (sum != 4L * count) System.exit(2);
    }
}
