package judge;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.compression.CompressionType;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** Sending that only 5.x knows. */
final class Timers {
    /** A broker keeps timers in steps of one second and may deliver at the start of the step. */
    private static final long EARLY_MS = 1_000;
    private static final long LATE_MS = 5_000;

    private Timers() {
    }

    static void addTo(Map<String, Scenario> scenarios) {
        scenarios.put("recall-message", Timers::recall);
        scenarios.put("send-delay-timer", Timers::timer);
        scenarios.put("send-compressed-types", Timers::compressionTypes);
    }

    private static void timer(Context c) throws Exception {
        String topic = c.topic("topic", 4);
        Collector collector = new Collector();
        Pushes.listen(c.pushConsumer(c.named("group")), topic, "*", collector);
        DefaultMQProducer producer = c.producer();
        long startMs = System.currentTimeMillis();
        Message atTime = new Message(topic, Context.bytes("at-time"));
        atTime.setDeliverTimeMs(startMs + 3_000);
        Message afterMs = new Message(topic, Context.bytes("after-ms"));
        afterMs.setDelayTimeMs(2_000);
        Message afterSec = new Message(topic, Context.bytes("after-sec"));
        afterSec.setDelayTimeSec(4);
        Message past = new Message(topic, Context.bytes("past"));
        past.setDeliverTimeMs(startMs - 10_000);
        for (Message message : Arrays.asList(atTime, afterMs, afterSec, past)) c.send(producer, message);
        c.await("4 deliveries", 15_000, () -> collector.count() >= 4);
        List<String> bodies = Arrays.asList("at-time", "after-ms", "after-sec", "past");
        List<Long> dueMs = Arrays.asList(3_000L, 2_000L, 4_000L, 0L);
        for (int i = 0; i < bodies.size(); i++) {
            Context.same("deliveries of " + bodies.get(i), 1, collector.of(bodies.get(i)).size());
            Collector.Arrival arrival = collector.of(bodies.get(i)).get(0);
            long tookMs = arrival.atMs - startMs;
            c.fact(bodies.get(i) + " after " + tookMs + " ms");
            Context.between(bodies.get(i) + " after ms", dueMs.get(i) - EARLY_MS, dueMs.get(i) + LATE_MS, tookMs);
            Context.same("topic of " + bodies.get(i), topic, arrival.message.getTopic());
        }
    }

    private static void recall(Context c) throws Exception {
        String topic = c.topic("topic", 1);
        DefaultMQProducer producer = c.producer();
        Message recalled = new Message(topic, Context.bytes("recalled"));
        recalled.setDelayTimeMs(5_000);
        Message kept = new Message(topic, Context.bytes("kept"));
        kept.setDelayTimeMs(5_000);
        SendResult sent = c.send(producer, recalled);
        SendResult other = c.send(producer, kept);
        Context.check(sent.getRecallHandle() != null && !sent.getRecallHandle().isEmpty(), "a delayed send gives a recall handle");
        Context.check(!sent.getRecallHandle().equals(other.getRecallHandle()), "each message has a handle of its own");
        Context.same("recalled message id", sent.getMsgId(), producer.recallMessage(topic, sent.getRecallHandle()));
        c.await("the delivery of the kept one", 12_000, () -> c.shared.storedCount(topic) > 0);
        Thread.sleep(2_000);
        Context.same("delivered", Arrays.asList("kept"), Context.bodies(c.shared.readAll(topic)));
        try {
            producer.recallMessage(topic, "no handle at all");
        } catch (MQBrokerException | MQClientException refused) {
            c.fact("a bad handle is refused");
            return;
        }
        Context.check(false, "a bad handle is refused");
    }

    private static void compressionTypes(Context c) throws Exception {
        byte[] body = new byte[50_000];
        new Random(1).nextBytes(body);
        for (int i = 0; i < body.length; i++) body[i] = (byte) ('a' + (body[i] & 3));
        for (CompressionType type : CompressionType.values()) {
            String topic = c.topic(type.name(), 1);
            DefaultMQProducer producer = new DefaultMQProducer(c.named(type.name()), c.settings.hook());
            producer.setCompressType(type);
            c.send(c.started(producer), new Message(topic, body));
            MessageExt stored = c.readStored(topic, 1).get(0);
            Context.check(Arrays.equals(body, stored.getBody()), type + " body comes back as it was");
            Context.check(stored.getStoreSize() < body.length, type + " body is stored compressed");
            c.fact(type + " " + stored.getStoreSize() + " bytes");
        }
    }
}
