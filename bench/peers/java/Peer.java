import java.util.Arrays;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;

/** The official Java client as a peer of the benchmark: one measurement, told on stdout in lines of JSON. */
public final class Peer {
    private static final int LATENCIES_MAX = 4_000_000;

    /** As in `peers/go/measure.go`. */
    private static final int WARM_TIMES_MAX = 5;
    private static final int WARM_COUNT = 5_000;

    public static void main(String[] arguments) throws Exception {
        switch (arguments[0]) {
            case "send":
                send(arguments);
                break;
            case "receive":
                receive(arguments);
                break;
            default:
                throw new IllegalArgumentException("give send or receive");
        }
        // Until its memory has been read.
        while (System.in.read() >= 0) continue;
        System.exit(0);
    }

    /** send NAME_SERVER TOPIC IN_FLIGHT WARM_MS MEASURED_MS BODY_BYTES */
    private static void send(String[] arguments) throws Exception {
        int inFlight = Integer.parseInt(arguments[3]);
        DefaultMQProducer producer = new DefaultMQProducer("peer-java");
        producer.setNamesrvAddr(arguments[1]);
        producer.setSendMsgTimeout(30_000);
        producer.start();
        byte[] body = new byte[Integer.parseInt(arguments[6])];
        Arrays.fill(body, (byte) 'x');
        long warmMs = Long.parseLong(arguments[4]);
        long begunNs = System.nanoTime();
        for (long passedMs = 0, count = 0; passedMs < warmMs || count < WARM_COUNT && passedMs < WARM_TIMES_MAX * warmMs; ) {
            count += load(producer, arguments[2], body, inFlight, warmMs / 4).length;
            passedMs = (System.nanoTime() - begunNs) / 1_000_000;
        }
        // Until it is told to begin, beside others perhaps.
        System.out.println("{\"event\":\"ready\"}");
        System.in.read();
        long startedNs = System.nanoTime();
        long[] latencies = load(producer, arguments[2], body, inFlight, Long.parseLong(arguments[5]));
        done(latencies.length, System.nanoTime() - startedNs, latencies);
        producer.shutdown();
    }

    private static long[] load(DefaultMQProducer producer, String topic, byte[] body, int inFlight, long durationMs)
        throws Exception {
        Semaphore turns = new Semaphore(inFlight);
        long[] latencies = new long[LATENCIES_MAX];
        AtomicInteger count = new AtomicInteger();
        long untilNs = System.nanoTime() + durationMs * 1_000_000;
        while (System.nanoTime() < untilNs) {
            turns.acquire();
            long startedNs = System.nanoTime();
            producer.send(new Message(topic, body), new SendCallback() {
                @Override
                public void onSuccess(SendResult result) {
                    latencies[count.getAndIncrement()] = System.nanoTime() - startedNs;
                    turns.release();
                }

                @Override
                public void onException(Throwable failure) {
                    failure.printStackTrace();
                    System.exit(1);
                }
            });
        }
        turns.acquire(inFlight);
        return Arrays.copyOf(latencies, count.get());
    }

    /** receive NAME_SERVER TOPIC GROUP COUNT: the first fifth is for getting warm. */
    private static void receive(String[] arguments) throws Exception {
        int count = Integer.parseInt(arguments[4]);
        int warm = count / 5;
        AtomicInteger received = new AtomicInteger();
        AtomicLong startedNs = new AtomicLong();
        CountDownLatch end = new CountDownLatch(1);
        DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(arguments[3]);
        consumer.setNamesrvAddr(arguments[1]);
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.subscribe(arguments[2], "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            int now = received.addAndGet(messages.size());
            if (now == warm) {
                startedNs.set(System.nanoTime());
                System.out.println("{\"event\":\"measured\"}");
            }
            if (now == count) end.countDown();
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        end.await();
        done(count - warm, System.nanoTime() - startedNs.get(), new long[0]);
        consumer.shutdown();
    }

    private static void done(int count, long durationNs, long[] latencies) {
        String micros = Arrays.stream(latencies).mapToObj(ns -> String.valueOf(ns / 1_000)).collect(Collectors.joining(","));
        System.out.printf(
            "{\"event\":\"done\",\"count\":%d,\"seconds\":%.6f,\"latenciesMicros\":[%s]}%n", count, durationNs / 1e9, micros);
    }
}
