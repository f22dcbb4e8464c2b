package judge;

import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.locks.LockSupport;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.tools.command.MQAdminStartup;

/**
 * Runs mqadmin commands in one JVM: each line of the standard input is a command with its arguments, tabs between them; each line of
 * the standard output is {@code {"output":...}} with what the command has printed. Commands of its own, which mqadmin has not,
 * give it something to look at: {@code @send topic producerGroup count}, {@code @consume topic group count}, {@code @join topic group count},
 * {@code @leave group}, {@code @request topic producerGroup timeoutMs body}, {@code @answer topic group}.
 */
public final class Mqadmin {
    private final Context context;
    private final Map<String, DefaultMQProducer> producers = new HashMap<>();
    private final Map<String, DefaultMQPushConsumer> consumers = new HashMap<>();

    private Mqadmin(Context context) {
        this.context = context;
    }

    public static void main(String[] args) throws Exception {
        PrintStream replies = new PrintStream(System.out, true, StandardCharsets.UTF_8.name());
        Settings settings = Settings.of(args);
        Shared shared = new Shared(settings);
        hurry(Thread.currentThread());
        Mqadmin mqadmin = new Mqadmin(new Context("mqadmin", shared));
        BufferedReader commands = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = commands.readLine(); line != null; line = commands.readLine()) {
            replies.println("{\"output\":" + Json.quote(mqadmin.run(line.split("\t", -1))) + "}");
        }
        System.exit(0);
    }

    /**
     * Each command makes a client and closes it, and the client then waits up to 3 s for a thread that waits for events: that thread
     * looks whether it should stop when it is interrupted, and goes on when it should not.
     */
    private static void hurry(Thread main) {
        Thread hurrier = new Thread(() -> {
            while (!Thread.currentThread().isInterrupted()) {
                LockSupport.parkNanos(20_000_000);
                if (Arrays.stream(main.getStackTrace()).noneMatch(at -> at.getClassName().endsWith(".ServiceThread"))) continue;
                for (Thread thread : Thread.getAllStackTraces().keySet()) {
                    if (thread.getName().startsWith("NettyEventExecutor")) thread.interrupt();
                }
            }
        });
        hurrier.setDaemon(true);
        hurrier.start();
    }

    private String run(String[] command) throws Exception {
        PrintStream out = System.out;
        PrintStream err = System.err;
        ByteArrayOutputStream printed = new ByteArrayOutputStream();
        PrintStream capture = new PrintStream(printed, true, StandardCharsets.UTF_8.name());
        System.setOut(capture);
        System.setErr(capture);
        try {
            if (command[0].startsWith("@")) System.out.print(own(command));
            else MQAdminStartup.main0(command, context.settings.hook());
        } catch (Exception | AssertionError failure) {
            failure.printStackTrace(capture);
        } finally {
            System.setOut(out);
            System.setErr(err);
        }
        return new String(printed.toByteArray(), StandardCharsets.UTF_8);
    }

    private String own(String[] command) throws Exception {
        switch (command[0]) {
            case "@send": return send(command[1], command[2], Integer.parseInt(command[3]));
            case "@join": return String.valueOf(join(command[1], command[2], Integer.parseInt(command[3])).count());
            case "@consume": return consume(command[1], command[2], Integer.parseInt(command[3]));
            case "@leave": return leave(command[1]);
            case "@request": return Requests.request(producer(command[2]), command[1], Long.parseLong(command[3]), command[4]);
            case "@answer": return answer(command[1], command[2]);
            default: throw new IllegalArgumentException("unknown command " + Arrays.toString(command));
        }
    }

    /** Sends messages with keys key0, key1 and so on; a line for each: message id, offset id, queue id, queue offset. */
    private String send(String topic, String group, int count) throws Exception {
        DefaultMQProducer producer = producer(group);
        StringBuilder lines = new StringBuilder();
        for (int i = 0; i < count; i++) {
            SendResult sent = context.send(producer, new Message(topic, "tag", "key" + i, Context.bytes("body" + i)));
            lines.append(sent.getMsgId()).append(' ').append(sent.getOffsetMsgId()).append(' ')
                .append(sent.getMessageQueue().getQueueId()).append(' ').append(sent.getQueueOffset()).append('\n');
        }
        // A producer is known to the broker from its first heartbeat on.
        Thread.sleep(1_500);
        return lines.toString();
    }

    private DefaultMQProducer producer(String group) throws Exception {
        DefaultMQProducer producer = producers.get(group);
        if (producer == null) {
            producer = context.started(new DefaultMQProducer(group, context.settings.hook()));
            producers.put(group, producer);
        }
        return producer;
    }

    /** Starts a consumer that stays, and replies to each message. */
    private String answer(String topic, String group) throws Exception {
        DefaultMQPushConsumer consumer = context.pushConsumer(group);
        Requests.answer(consumer, topic, producer(group + "-replies"));
        consumers.put(group, consumer);
        return "";
    }

    /** Starts a consumer that stays, and waits until it has taken that many. */
    private Collector join(String topic, String group, int count) throws Exception {
        Collector collector = new Collector();
        DefaultMQPushConsumer consumer = context.pushConsumer(group);
        Pushes.listen(consumer, topic, "*", collector);
        consumers.put(group, consumer);
        context.await(count + " deliveries", () -> collector.count() >= count);
        return collector;
    }

    /** As {@link #join}, and waits until the broker knows it, which brokers of 4.x do not tell this version. */
    private String consume(String topic, String group, int count) throws Exception {
        Collector collector = join(topic, group, count);
        consumers.get(group).getDefaultMQPushConsumerImpl().persistConsumerOffset();
        context.awaitConsumed(group, topic, count);
        return String.valueOf(collector.count());
    }

    private String leave(String group) {
        consumers.remove(group).shutdown();
        return "";
    }
}
