package judge;

import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Runs scenarios against a cluster and prints one JSON line for each; ends with 0 only if all are well. */
public final class Judge {
    private Judge() {
    }

    static Map<String, Scenario> scenarios() {
        Map<String, Scenario> all = new LinkedHashMap<>();
        // The long ones first: they wait most of their time, so the others fit beside them.
        Moved.addTo(all);
        Transactions.addTo(all);
        Retries.addTo(all);
        Pushes.addTo(all);
        Pulls.addTo(all);
        Sends.addTo(all);
        Queries.addTo(all);
        Admins.addTo(all);
        return all;
    }

    public static void main(String[] args) throws Exception {
        // Libraries print to the standard output too; verdicts have it alone.
        PrintStream verdicts = new PrintStream(System.out, true, StandardCharsets.UTF_8.name());
        System.setOut(System.err);
        Settings settings = Settings.of(args);
        Map<String, Scenario> all = scenarios();
        all.putAll(Signatures.scenarios(settings));
        if (settings.scenarios.contains("list")) {
            all.keySet().forEach(verdicts::println);
            System.exit(0);
        }
        List<String> names = settings.scenarios.isEmpty() ? new ArrayList<>(all.keySet()) : settings.scenarios;
        boolean ok;
        try (Shared shared = new Shared(settings)) {
            ok = runAll(names, all, shared, verdicts);
        }
        verdicts.flush();
        // Client threads that are not daemons may be left over; the verdict does not wait for them.
        System.exit(ok ? 0 : 1);
    }

    private static boolean runAll(List<String> names, Map<String, Scenario> all, Shared shared, PrintStream verdicts)
        throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(shared.settings.parallel);
        List<Future<Boolean>> results = new ArrayList<>();
        for (String name : names) {
            results.add(pool.submit(() -> {
                Verdict verdict = judge(name, all.get(name), shared);
                synchronized (verdicts) {
                    verdicts.println(verdict.json());
                }
                return verdict.ok;
            }));
        }
        boolean ok = true;
        for (Future<Boolean> result : results) ok &= result.get();
        pool.shutdownNow();
        return ok;
    }

    /** Runs one in a thread of its own, so that a call that hangs costs this scenario only. */
    private static Verdict judge(String name, Scenario scenario, Shared shared) {
        Verdict verdict = new Verdict(name);
        if (scenario == null) return verdict.failed("no scenario of this name: ask for `list`");
        Context context = new Context(name, shared);
        ExecutorService runner = Executors.newSingleThreadExecutor(task -> {
            Thread thread = new Thread(task, "scenario-" + name);
            thread.setDaemon(true);
            context.thread = thread;
            return thread;
        });
        Future<?> done = runner.submit(() -> {
            scenario.run(context);
            return null;
        });
        try {
            done.get(shared.settings.deadlineSeconds, TimeUnit.SECONDS);
            return verdict.passed(context.facts());
        } catch (TimeoutException timeout) {
            return verdict.failed("not done after " + shared.settings.deadlineSeconds + " s: " + context.whereItIs());
        } catch (Exception failure) {
            Throwable cause = failure.getCause() == null ? failure : failure.getCause();
            return verdict.failed(Verdict.text(cause) + context.facts());
        } finally {
            runner.shutdownNow();
            Thread closer = new Thread(context::close, "close-" + name);
            closer.setDaemon(true);
            closer.start();
        }
    }
}
