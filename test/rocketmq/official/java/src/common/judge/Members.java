package judge;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.client.consumer.rebalance.AllocateMessageQueueAveragely;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.MessageExt;

/**
 * Push consumers that join groups and leave them as the lines of the standard input say, words divided by tabs:
 * {@code join member topic group concurrently|orderly|pop} and {@code leave member}. Prints one JSON line when that is done, and one for
 * each message that a member has worked on.
 */
public final class Members {
    private static final int WORK_MS = 5;
    private static final int JOIN_TRIES_MAX = 10;

    private final Settings settings;
    private final PrintStream out;
    private final Map<String, DefaultMQPushConsumer> members = new ConcurrentHashMap<>();

    private Members(Settings settings, PrintStream out) {
        this.settings = settings;
        this.out = out;
    }

    public static void main(String[] args) throws Exception {
        // Libraries print to the standard output too; events have it alone.
        Members members = new Members(Settings.of(args), new PrintStream(System.out, true, StandardCharsets.UTF_8.name()));
        System.setOut(System.err);
        ExecutorService pool = Executors.newCachedThreadPool();
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            String[] words = line.split("\t");
            pool.execute(() -> members.run(words));
        }
        System.exit(0);
    }

    private void run(String[] words) {
        try {
            if (words[0].equals("join")) members.put(words[1], joined(words));
            else members.remove(words[1]).shutdown();
            tell("{\"event\":\"done\",\"member\":" + Json.quote(words[1]) + "}");
        } catch (Exception failure) {
            String why = Verdict.text(failure);
            tell("{\"event\":\"failed\",\"member\":" + Json.quote(words[1]) + ",\"detail\":" + Json.quote(why) + "}");
        }
    }

    /** Where the first request of a client does not reach a busy name server, its start fails as a whole. */
    private DefaultMQPushConsumer joined(String[] words) throws Exception {
        for (int tries = 1; ; tries++) {
            DefaultMQPushConsumer consumer = consumer(words[1], words[2], words[3], words[4]);
            try {
                consumer.start();
                return consumer;
            } catch (IllegalStateException unreached) {
                consumer.shutdown();
                if (tries == JOIN_TRIES_MAX) throw unreached;
                Thread.sleep(500);
            }
        }
    }

    private DefaultMQPushConsumer consumer(String member, String topic, String group, String way) throws Exception {
        DefaultMQPushConsumer consumer =
            new DefaultMQPushConsumer(group, settings.hook(), new AllocateMessageQueueAveragely());
        consumer.setNamesrvAddr(settings.nameServer);
        consumer.setInstanceName(member);
        consumer.setPersistConsumerOffsetInterval(1_000);
        // See Context: one that is dropped must not cost 30 s.
        consumer.setHeartbeatBrokerInterval(1_000);
        consumer.setConsumeThreadMin(4);
        consumer.setConsumeThreadMax(4);
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        if (way.equals("pop")) Moved.popping(consumer);
        consumer.subscribe(topic, "*");
        if (way.equals("orderly")) {
            consumer.registerMessageListener((MessageListenerOrderly) (messages, context) -> {
                work(member, messages);
                return ConsumeOrderlyStatus.SUCCESS;
            });
        } else {
            consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
                work(member, messages);
                return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
            });
        }
        return consumer;
    }

    private void work(String member, List<MessageExt> messages) {
        for (MessageExt message : messages) {
            long beginMs = System.currentTimeMillis();
            try {
                Thread.sleep(WORK_MS);
            } catch (InterruptedException ended) {
                Thread.currentThread().interrupt();
            }
            tell("{\"event\":\"handled\",\"member\":" + Json.quote(member) + ",\"body\":" + Json.quote(Context.body(message))
                + ",\"beginMs\":" + beginMs + ",\"endMs\":" + System.currentTimeMillis() + "}");
        }
    }

    private void tell(String line) {
        synchronized (out) {
            out.println(line);
        }
    }
}
