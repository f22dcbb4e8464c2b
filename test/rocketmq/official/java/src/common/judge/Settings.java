package judge;

import java.util.ArrayList;
import java.util.List;
import org.apache.rocketmq.acl.common.AclClientRPCHook;
import org.apache.rocketmq.acl.common.SessionCredentials;
import org.apache.rocketmq.remoting.RPCHook;

/** The command line: {@code --name-server host:port --prefix p [--access-key k --secret-key s] [--parallel n] [--deadline-s n] scenario...} */
final class Settings {
    String nameServer = "127.0.0.1:9876";
    /** First part of every topic and group name, so that runs do not meet. */
    String prefix = "judge" + System.currentTimeMillis();
    String accessKey = "";
    String secretKey = "";
    /** Scenarios that run at the same time. */
    int parallel = 10;
    /** What one scenario may take. */
    int deadlineSeconds = 60;
    final List<String> scenarios = new ArrayList<>();

    static Settings of(String[] args) {
        Settings settings = new Settings();
        for (int i = 0; i < args.length; i++) {
            if (!args[i].startsWith("--")) {
                settings.scenarios.add(args[i]);
                continue;
            }
            if (i + 1 == args.length) throw new IllegalArgumentException(args[i] + " needs a value");
            settings.set(args[i], args[++i]);
        }
        return settings;
    }

    private void set(String option, String value) {
        switch (option) {
            case "--name-server": nameServer = value; break;
            case "--prefix": prefix = value; break;
            case "--access-key": accessKey = value; break;
            case "--secret-key": secretKey = value; break;
            case "--parallel": parallel = Integer.parseInt(value); break;
            case "--deadline-s": deadlineSeconds = Integer.parseInt(value); break;
            default: throw new IllegalArgumentException("unknown option " + option);
        }
    }

    boolean isSigned() {
        return !accessKey.isEmpty();
    }

    /** Signs each request, or null where the broker knows no keys. */
    RPCHook hook() {
        return isSigned() ? hook(accessKey, secretKey) : null;
    }

    static RPCHook hook(String accessKey, String secretKey) {
        return new AclClientRPCHook(new SessionCredentials(accessKey, secretKey));
    }
}
