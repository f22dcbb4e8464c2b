package interop;

import com.google.protobuf.Descriptors;
import io.grpc.ChannelCredentials;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.TlsChannelCredentials;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import io.grpc.okhttp.OkHttpChannelBuilder;
import java.io.File;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * Judges a proxy by grpc-java, on Netty and on OkHttp: DESCRIPTORS CLEARTEXT_ADDRESS TLS_ADDRESS CA_FILE TOPIC_PREFIX. Topics are the
 * prefix, the transport and the scenario. Prints a line of JSON for each scenario and ends with 0 only if all are well.
 */
public final class Interop {
    private Interop() {
    }

    public static void main(String[] args) throws Exception {
        PrintStream verdicts = new PrintStream(System.out, true, StandardCharsets.UTF_8.name());
        Descriptors.ServiceDescriptor service = Api.load(Path.of(args[0]));
        ChannelCredentials insecure = InsecureChannelCredentials.create();
        ChannelCredentials tls = TlsChannelCredentials.newBuilder().trustManager(new File(args[3])).build();
        Map<String, ManagedChannelBuilder<?>> transports = Map.of(
            "netty-cleartext", NettyChannelBuilder.forTarget(args[1], insecure),
            "netty-tls", NettyChannelBuilder.forTarget(args[2], tls),
            "okhttp-cleartext", OkHttpChannelBuilder.forTarget(args[1], insecure),
            "okhttp-tls", OkHttpChannelBuilder.forTarget(args[2], tls));
        boolean isWell = true;
        for (String name : List.of("netty-cleartext", "netty-tls", "okhttp-cleartext", "okhttp-tls")) {
            ManagedChannel channel = transports.get(name).build();
            isWell &= judge(name, new Api(channel, service), args[4], verdicts);
            channel.shutdownNow();
        }
        System.exit(isWell ? 0 : 1);
    }

    /** Runs all scenarios side by side on one connection. */
    private static boolean judge(String name, Api api, String prefix, PrintStream verdicts) throws Exception {
        ExecutorService pool = Executors.newCachedThreadPool();
        List<Future<Boolean>> results = new ArrayList<>();
        Scenarios.all().forEach((scenario, work) -> results.add(pool.submit(() -> {
            long start = System.currentTimeMillis();
            Throwable failure = failureOf(work, api, prefix + "-" + name + "-" + scenario);
            verdicts.println(String.format(
                "{\"scenario\":\"%s %s\",\"ok\":%b,\"detail\":%s,\"tookMs\":%d}",
                name, scenario, failure == null, quoted(failure), System.currentTimeMillis() - start));
            return failure == null;
        })));
        boolean isWell = true;
        for (Future<Boolean> result : results) isWell &= result.get();
        pool.shutdown();
        return isWell;
    }

    private static Throwable failureOf(Scenarios.Scenario work, Api api, String topic) {
        try {
            work.run(api, topic);
            return null;
        } catch (Exception failure) {
            return failure;
        }
    }

    private static String quoted(Throwable failure) {
        if (failure == null) return "\"\"";
        String text = failure.toString().replaceAll("[^ -~]", " ").replace("\\", "\\\\").replace("\"", "\\\"");
        return "\"" + text + "\"";
    }
}
