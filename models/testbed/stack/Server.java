// The server of the testbed: embedded Tomcat, HikariCP, PostgreSQL. One line of a run's log for each request.
//
//   java -cp ... Server port=8081 pool=10 ct=30000 threads=200 maxconn=8192 accept=100 db=lane1 [pgport=5544]
//
// pool=0: no pool (for /alloc). Commands on standard input, each answered by one line:
//   reset SEED      forget what was recorded, draws begin anew
//   dump FILE       write the requests recorded since (times: System.nanoTime, that is CLOCK_MONOTONIC)
//   quit
import com.zaxxer.hikari.*;
import jakarta.servlet.http.*;
import java.io.*;
import java.sql.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.*;
import org.apache.catalina.Context;
import org.apache.catalina.connector.Connector;
import org.apache.catalina.startup.Tomcat;

public class Server {
    static final int MAX = 600_000;
    static final long[] entry = new long[MAX], exit = new long[MAX];
    static final int[] index = new int[MAX];
    static final short[] status = new short[MAX];
    static final float[] waitMs = new float[MAX], holdMs = new float[MAX], draw = new float[MAX], wait2Ms = new float[MAX];
    static final AtomicInteger used = new AtomicInteger(), count = new AtomicInteger();
    static volatile long seed = 1;
    static HikariDataSource ds;
    // Sampled each 100 ms: active, idle, pending, busy threads, executor queue.
    static final int SAMPLES = 20_000;
    static final long[] sampleAt = new long[SAMPLES];
    static final int[][] sample = new int[SAMPLES][5];
    static final AtomicInteger samples = new AtomicInteger();

    static long mix(long z) {
        z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
        z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
        return z ^ (z >>> 31);
    }

    // A uniform number that depends on the run's seed, the request and which of its draws this is.
    static double uniform(int i, int which) {
        long z = mix(mix(seed * 0x9E3779B97F4A7C15L + which) + i * 0x9E3779B97F4A7C15L);
        return ((z >>> 11) + 0.5) * 0x1.0p-53;
    }

    static double number(HttpServletRequest q, String name, double other) {
        String s = q.getParameter(name);
        return s == null ? other : Double.parseDouble(s);
    }

    static double drawn(HttpServletRequest q, int i) {
        double ms = number(q, "ms", 0);
        String dist = q.getParameter("dist");
        if (dist == null || ms == 0) return ms;
        double u = uniform(i, 1);
        if (dist.equals("exp")) return -Math.log(u) * ms;
        double cv = number(q, "cv", 1), s2 = Math.log(1 + cv * cv);
        double g = Math.sqrt(-2 * Math.log(u)) * Math.cos(2 * Math.PI * uniform(i, 2));
        return ms * Math.exp(g * Math.sqrt(s2) - s2 / 2);
    }

    static void pgSleep(Connection c, double ms) throws SQLException {
        try (PreparedStatement s = c.prepareStatement("select pg_sleep(?)")) {
            s.setDouble(1, ms / 1000);
            try (ResultSet r = s.executeQuery()) { r.next(); }
        }
    }

    static final byte[][] live = new byte[60 * 1024][], ring = new byte[256][];

    public static class Front extends HttpServlet {
        @Override protected void service(HttpServletRequest q, HttpServletResponse a) throws IOException {
            long t0 = System.nanoTime(), got = 0, gave = 0, wait2 = 0;
            String ix = q.getParameter("i");
            int i = ix == null ? count.getAndIncrement() : Integer.parseInt(ix);
            int code = 200;
            double x = 0;
            try {
                switch (q.getServletPath()) {
                    case "/noop": break;
                    case "/sleep": Thread.sleep((long) number(q, "ms", 0)); break;
                    case "/select1": case "/db": case "/hold": case "/two": {
                        String p = q.getServletPath();
                        // Before the connection, so that the log has it for requests that time out as well.
                        x = p.equals("/db") ? drawn(q, i) : number(q, "hold", 0);
                        try (Connection c = ds.getConnection()) {
                            got = System.nanoTime();
                            if (p.equals("/select1")) {
                                try (PreparedStatement s = c.prepareStatement("select 1"); ResultSet r = s.executeQuery()) { r.next(); }
                            } else {
                                pgSleep(c, x);
                                if (p.equals("/hold")) Thread.sleep((long) number(q, "call", 0));
                            }
                        }
                        gave = System.nanoTime();
                        if (p.equals("/two")) Thread.sleep((long) number(q, "after", 0));
                        break;
                    }
                    case "/lock": {
                        int keys = (int) number(q, "keys", 1);
                        x = number(q, "ms", 0);
                        try (Connection c = ds.getConnection()) {
                            got = System.nanoTime();
                            c.setAutoCommit(false);
                            try (PreparedStatement s = c.prepareStatement("select qty from inventories where id = ? for update")) {
                                s.setInt(1, 1 + (int) (uniform(i, 3) * keys));
                                try (ResultSet r = s.executeQuery()) { r.next(); }
                            }
                            pgSleep(c, x);
                            c.commit();
                            c.setAutoCommit(true);
                        }
                        gave = System.nanoTime();
                        break;
                    }
                    case "/nested": {
                        x = number(q, "m1", 0);
                        try (Connection c = ds.getConnection()) {
                            got = System.nanoTime();
                            pgSleep(c, x);
                            long w = System.nanoTime();
                            try (Connection d = ds.getConnection()) {
                                wait2 = System.nanoTime() - w;
                                pgSleep(d, number(q, "m2", 0));
                            }
                        }
                        gave = System.nanoTime();
                        break;
                    }
                    case "/alloc": {
                        int n = (int) (number(q, "mb", 0) * 1024);
                        for (int k = 0; k < n; k++) { byte[] b = new byte[1024]; b[k & 1023] = 1; ring[k & 255] = b; }
                        int churn = (int) number(q, "churnkb", 0);
                        if (live[0] != null) for (int k = 0; k < churn; k++)
                            live[(int) (mix(i * 100_003L + k) >>> 33) % live.length] = new byte[1024];
                        Thread.sleep((long) number(q, "ms", 0));
                        break;
                    }
                    default: code = 404;
                }
            } catch (SQLTransientConnectionException e) {
                code = 503;
            } catch (Exception e) {
                code = 500;
            }
            a.setStatus(code);
            a.setContentType("text/plain");
            a.setContentLength(3);
            a.getOutputStream().write(code == 200 ? OK : NO);
            long t1 = System.nanoTime();
            int k = used.getAndIncrement();
            if (k < MAX) {
                entry[k] = t0; exit[k] = t1; index[k] = i; status[k] = (short) code; draw[k] = (float) x;
                waitMs[k] = got == 0 ? -1 : (got - t0) / 1e6f;
                holdMs[k] = gave == 0 ? -1 : (gave - got) / 1e6f;
                wait2Ms[k] = wait2 / 1e6f;
            }
        }
    }
    static final byte[] OK = "ok\n".getBytes(), NO = "no\n".getBytes();

    public static void main(String[] args) throws Exception {
        Map<String, String> o = new HashMap<>();
        for (String s : args) { int e = s.indexOf('='); o.put(s.substring(0, e), s.substring(e + 1)); }
        int pool = Integer.parseInt(o.getOrDefault("pool", "10"));
        if (pool > 0) {
            HikariConfig c = new HikariConfig();
            c.setJdbcUrl("jdbc:postgresql://127.0.0.1:" + o.getOrDefault("pgport", "5544") + "/" + o.getOrDefault("db", "lane1"));
            c.setUsername("bench");
            c.setMaximumPoolSize(pool);
            c.setMinimumIdle(pool);
            c.setConnectionTimeout(Long.parseLong(o.getOrDefault("ct", "30000")));
            ds = new HikariDataSource(c);
            while (ds.getHikariPoolMXBean().getTotalConnections() < pool) Thread.sleep(10);
        } else {
            for (int k = 0; k < live.length; k++) live[k] = new byte[1024];
        }
        Tomcat t = new Tomcat();
        t.setBaseDir("tomcat." + o.get("port"));
        Connector n = new Connector("org.apache.coyote.http11.Http11NioProtocol");
        n.setPort(Integer.parseInt(o.get("port")));
        n.setProperty("address", "127.0.0.1");
        n.setProperty("maxThreads", o.getOrDefault("threads", "200"));
        n.setProperty("minSpareThreads", "10");
        n.setProperty("maxConnections", o.getOrDefault("maxconn", "8192"));
        n.setProperty("acceptCount", o.getOrDefault("accept", "100"));
        n.setProperty("maxKeepAliveRequests", "-1");
        t.setConnector(n);
        Context x = t.addContext("", null);
        Tomcat.addServlet(x, "front", new Front());
        for (String p : "noop sleep select1 db hold two lock nested alloc".split(" ")) x.addServletMappingDecoded("/" + p, "front");
        t.start();
        tomcatExecutor = (org.apache.tomcat.util.threads.ThreadPoolExecutor) n.getProtocolHandler().getExecutor();
        Thread w = new Thread(Server::sampler);
        w.setDaemon(true);
        w.start();
        System.out.println("ready");
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String l; (l = in.readLine()) != null; ) {
            String[] a = l.split(" ");
            if (a[0].equals("reset")) { seed = Long.parseLong(a[1]); used.set(0); count.set(0); samples.set(0); }
            if (a[0].equals("dump")) dump(a[1]);
            if (a[0].equals("quit")) break;
            System.out.println("done " + used.get());
        }
        System.exit(0);
    }

    // Tomcat has a ThreadPoolExecutor of its own class.
    static org.apache.tomcat.util.threads.ThreadPoolExecutor tomcatExecutor;
    static void sampler() {
        long next = System.nanoTime();
        while (true) {
            next += 100_000_000L;
            java.util.concurrent.locks.LockSupport.parkNanos(next - System.nanoTime());
            int k = samples.get();
            if (k >= SAMPLES) continue;
            sampleAt[k] = System.nanoTime();
            if (ds != null) {
                HikariPoolMXBean m = ds.getHikariPoolMXBean();
                sample[k][0] = m.getActiveConnections();
                sample[k][1] = m.getIdleConnections();
                sample[k][2] = m.getThreadsAwaitingConnection();
            }
            sample[k][3] = tomcatExecutor.getActiveCount();
            sample[k][4] = tomcatExecutor.getQueue().size();
            samples.set(k + 1);
        }
    }

    static void dump(String file) throws IOException {
        try (PrintWriter p = new PrintWriter(new BufferedWriter(new FileWriter(file)))) {
            p.println("entry_ns,exit_ns,i,status,wait_ms,wait2_ms,hold_ms,draw_ms");
            for (int k = 0; k < Math.min(used.get(), MAX); k++)
                p.println(entry[k] + "," + exit[k] + "," + index[k] + "," + status[k] + "," + waitMs[k] + "," + wait2Ms[k] + "," + holdMs[k] + "," + draw[k]);
        }
        try (PrintWriter p = new PrintWriter(new BufferedWriter(new FileWriter(file + ".samples")))) {
            p.println("at_ns,active,idle,pending,busy,queue");
            for (int k = 0; k < samples.get(); k++)
                p.println(sampleAt[k] + "," + sample[k][0] + "," + sample[k][1] + "," + sample[k][2] + "," + sample[k][3] + "," + sample[k][4]);
        }
    }
}
