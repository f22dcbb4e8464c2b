package judge;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentLinkedDeque;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.ClientConfig;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.rebalance.AllocateMessageQueueAveragely;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** What one scenario works with: names of its own, clients that are closed at its end, and ways to wait and to insist. */
final class Context {
    /** Waits that judge no promptness: longer than a client needs that missed its first chance to look for its queues (official.ts). */
    static final int SOON_MS = 50_000;
    private static final int POLL_MS = 25;

    final Shared shared;
    final Settings settings;
    volatile Thread thread;
    private final String name;
    private final Deque<Runnable> closers = new ConcurrentLinkedDeque<>();
    private final List<String> facts = Collections.synchronizedList(new ArrayList<>());
    private final AtomicInteger clientCount = new AtomicInteger();
    private volatile boolean isClosed;

    Context(String name, Shared shared) {
        this.name = name;
        this.shared = shared;
        this.settings = shared.settings;
    }

    // Names

    String named(String what) {
        return settings.prefix + "-" + name + "-" + what;
    }

    /** A new topic. */
    String topic(String what, int queueCount) throws Exception {
        String topic = named(what);
        shared.createTopic(topic, queueCount);
        return topic;
    }

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static String body(Message message) {
        return new String(message.getBody(), StandardCharsets.UTF_8);
    }

    static List<String> bodies(Collection<? extends Message> messages) {
        return messages.stream().map(Context::body).collect(Collectors.toList());
    }

    /** {@code prefix0}, {@code prefix1} and so on. */
    static List<String> numbered(String prefix, int count) {
        List<String> names = new ArrayList<>();
        for (int i = 0; i < count; i++) names.add(prefix + i);
        return names;
    }

    // Clients

    /** Each client gets a connection of its own, so that none of them shares another one's fate. */
    <T extends ClientConfig> T configured(T client) {
        client.setNamesrvAddr(settings.nameServer);
        client.setInstanceName(named(String.valueOf(clientCount.incrementAndGet())));
        client.setPollNameServerInterval(1_000);
        // A heartbeat that finds another one under way is dropped, and a broker refuses pulls with a subscription newer than the
        // last heartbeat told: at the default of 30 s a client would stand still for that long now and then.
        client.setHeartbeatBrokerInterval(1_000);
        client.setPersistConsumerOffsetInterval(1_000);
        client.setClientCallbackExecutorThreads(2);
        return client;
    }

    DefaultMQProducer producer() throws MQClientException {
        return started(new DefaultMQProducer(named("producer"), settings.hook()));
    }

    <T extends DefaultMQProducer> T started(T producer) throws MQClientException {
        configured(producer).setSendMsgTimeout(SOON_MS);
        producer.start();
        closing(producer::shutdown);
        return producer;
    }

    /** Not started yet: the scenario says what it subscribes to and who listens. */
    DefaultMQPushConsumer pushConsumer(String group) {
        DefaultMQPushConsumer consumer =
            new DefaultMQPushConsumer(group, settings.hook(), new AllocateMessageQueueAveragely());
        configured(consumer);
        consumer.setConsumeThreadMin(4);
        consumer.setConsumeThreadMax(4);
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        closing(consumer::shutdown);
        return consumer;
    }

    void closing(Runnable closer) {
        closers.push(closer);
        if (isClosed) close();
    }

    void close() {
        isClosed = true;
        for (Runnable closer = closers.poll(); closer != null; closer = closers.poll()) {
            try {
                closer.run();
            } catch (RuntimeException ignored) {
                // A client that never started, or was closed by the scenario itself.
            }
        }
    }

    // Sending and reading

    SendResult send(DefaultMQProducer producer, Message message) throws Exception {
        SendResult result = producer.send(message);
        same("send status", SendStatus.SEND_OK, result.getSendStatus());
        return result;
    }

    /** Sends the bodies one after the other; queues come in turn. */
    void sendAll(DefaultMQProducer producer, String topic, List<String> bodies) throws Exception {
        for (String body : bodies) send(producer, new Message(topic, bytes(body)));
    }

    /** Waits for that many stored messages and gives all that are stored. */
    List<MessageExt> readStored(String topic, int count) throws Exception {
        await(count + " messages stored in " + topic, () -> shared.hasRoute(topic) && shared.storedCount(topic) >= count);
        return shared.readAll(topic);
    }

    /** Consumer offsets of a group, all queues together; a leaving client sends its last ones without waiting for an answer. */
    void awaitConsumed(String group, String topic, long count) throws Exception {
        await(count + " messages consumed, by the broker's word", () -> {
            try {
                return shared.admin.examineConsumeStats(group, topic).getOffsetTable().values().stream()
                    .mapToLong(at -> at.getConsumerOffset()).sum() == count;
            } catch (MQClientException | MQBrokerException notYet) {
                return false;
            }
        });
    }

    // Waiting and insisting

    void await(String what, Callable<Boolean> condition) throws Exception {
        await(what, SOON_MS, condition);
    }

    void await(String what, long timeoutMs, Callable<Boolean> condition) throws Exception {
        long start = System.nanoTime();
        while (!condition.call()) {
            if ((System.nanoTime() - start) / 1_000_000 > timeoutMs) {
                throw new AssertionError("waited " + timeoutMs + " ms in vain for " + what);
            }
            Thread.sleep(POLL_MS);
        }
    }

    static void check(boolean holds, String what) {
        if (!holds) throw new AssertionError("does not hold: " + what);
    }

    static void same(String what, Object expected, Object actual) {
        if (!expected.equals(actual)) {
            throw new AssertionError(what + ": expected <" + cut(expected) + "> but was <" + cut(actual) + ">");
        }
    }

    static void between(String what, long min, long max, long actual) {
        if (actual < min || actual > max) {
            throw new AssertionError(what + ": expected " + min + " to " + max + " but was " + actual);
        }
    }

    /** The same elements, each as often, in any order. */
    static void sameElements(String what, Collection<String> expected, Collection<String> actual) {
        List<String> missing = new ArrayList<>(expected);
        List<String> extra = new ArrayList<>();
        for (String element : actual) if (!missing.remove(element)) extra.add(element);
        if (missing.isEmpty() && extra.isEmpty()) return;
        throw new AssertionError(what + ": missing " + cut(missing) + ", too many " + cut(extra) + " of " + expected.size());
    }

    private static String cut(Object value) {
        String text = String.valueOf(value);
        return text.length() > 400 ? text.substring(0, 400) + "..." : text;
    }

    /** Something worth reading in the verdict, good or bad. */
    void fact(String text) {
        facts.add(text);
    }

    String facts() {
        return String.join("; ", facts);
    }

    /** The lines of this program that are being executed, for a scenario that does not come to its end. */
    String whereItIs() {
        Thread runner = thread;
        String at = runner == null ? "" : Arrays.stream(runner.getStackTrace())
            .filter(line -> line.getClassName().startsWith("judge."))
            .map(line -> line.getFileName() + ":" + line.getLineNumber())
            .collect(Collectors.joining(" "));
        return at + " " + facts();
    }
}
