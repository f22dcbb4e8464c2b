package judge;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Every way to send, judged by what can be read back. */
final class Sends {
    private static final int MESSAGE_ILLEGAL = 13;

    private Sends() {
    }

    static void addTo(Map<String, Scenario> scenarios) {
        scenarios.put("send-delay-level", Sends::delayLevel);
        scenarios.put("send-sync", Sends::sync);
        scenarios.put("send-auto-create", Sends::autoCreate);
        scenarios.put("send-async", Sends::async);
        scenarios.put("send-one-way", Sends::oneWay);
        scenarios.put("send-batch", Sends::batch);
        scenarios.put("send-compressed", Sends::compressed);
        scenarios.put("send-sizes", Sends::sizes);
        scenarios.put("send-to-queue", Sends::toQueue);
        scenarios.put("send-namespace", Sends::namespace);
    }

    private static void sync(Context c) throws Exception {
        String topic = c.topic("topic", 4);
        DefaultMQProducer producer = c.producer();
        Map<String, SendResult> results = new HashMap<>();
        for (int i = 0; i < 20; i++) {
            Message message = new Message(topic, "tag" + i % 2, "key" + i + " all", Context.bytes("m" + i));
            message.putUserProperty("number", String.valueOf(i));
            message.putUserProperty("text", "\u00fc\u4e2d\ud83d\ude00");
            message.setFlag(i);
            results.put("m" + i, c.send(producer, message));
        }
        List<MessageExt> stored = c.readStored(topic, 20);
        Context.sameElements("stored", results.keySet(), Context.bodies(stored));
        for (MessageExt message : stored) sameMessage(c, results.get(Context.body(message)), message);
        Map<Integer, Set<Long>> offsets = new HashMap<>();
        for (SendResult result : results.values()) {
            offsets.computeIfAbsent(result.getMessageQueue().getQueueId(), id -> new TreeSet<>()).add(result.getQueueOffset());
        }
        Context.same("queues used in turn", 4, offsets.size());
        for (Set<Long> ofQueue : offsets.values()) {
            Context.same("offsets of one queue", Arrays.asList(0L, 1L, 2L, 3L, 4L), new ArrayList<>(ofQueue));
        }
    }

    private static void sameMessage(Context c, SendResult result, MessageExt message) throws Exception {
        String number = message.getUserProperty("number");
        Context.same("body", "m" + number, Context.body(message));
        Context.same("text", "\u00fc\u4e2d\ud83d\ude00", message.getUserProperty("text"));
        Context.same("tag", "tag" + Integer.parseInt(number) % 2, message.getTags());
        Context.same("keys", "key" + number + " all", message.getKeys());
        Context.same("flag", Integer.parseInt(number), message.getFlag());
        Context.same("message id", result.getMsgId(), message.getMsgId());
        Context.same("queue id", result.getMessageQueue().getQueueId(), message.getQueueId());
        Context.same("queue offset", result.getQueueOffset(), message.getQueueOffset());
        Context.same("broker", c.shared.brokerName(), result.getMessageQueue().getBrokerName());
        long ageMs = System.currentTimeMillis() - message.getStoreTimestamp();
        Context.between("age by the store's time", -1_000, 30_000, ageMs);
        Context.between("born before stored", -1_000, 30_000, message.getStoreTimestamp() - message.getBornTimestamp());
        Context.check(message.getBornHostString() != null, "the born host is known");
        var id = MessageDecoder.decodeMessageId(result.getOffsetMsgId());
        Context.same("commit log offset in the offset id", message.getCommitLogOffset(), id.getOffset());
        Context.same("address in the offset id", c.shared.brokerAddress(), id.getAddress().toString().replace("/", ""));
        Context.same("bytes stored", message.getStoreSize() > 0, true);
    }

    /** A topic that nobody made. */
    private static void autoCreate(Context c) throws Exception {
        String topic = c.named("unmade");
        c.sendAll(c.producer(), topic, Context.numbered("m", 8));
        Context.sameElements("stored", Context.numbered("m", 8), Context.bodies(c.readStored(topic, 8)));
        var queues = c.shared.admin.examineTopicRouteInfo(topic).getQueueDatas().get(0);
        Context.same("queues", 4, queues.getWriteQueueNums());
    }

    private static void async(Context c) throws Exception {
        String topic = c.topic("topic", 4);
        DefaultMQProducer producer = c.producer();
        List<String> bodies = Context.numbered("m", 100);
        CountDownLatch done = new CountDownLatch(bodies.size());
        ConcurrentLinkedQueue<Throwable> failures = new ConcurrentLinkedQueue<>();
        for (String body : bodies) {
            producer.send(new Message(topic, Context.bytes(body)), new SendCallback() {
                @Override
                public void onSuccess(SendResult result) {
                    done.countDown();
                }

                @Override
                public void onException(Throwable failure) {
                    failures.add(failure);
                    done.countDown();
                }
            });
        }
        Context.check(done.await(Context.SOON_MS, TimeUnit.MILLISECONDS), "100 callbacks");
        if (!failures.isEmpty()) throw new AssertionError(failures.size() + " sends failed", failures.peek());
        Context.sameElements("stored", bodies, Context.bodies(c.readStored(topic, bodies.size())));
    }

    private static void oneWay(Context c) throws Exception {
        String topic = c.topic("topic", 4);
        DefaultMQProducer producer = c.producer();
        List<String> bodies = Context.numbered("m", 50);
        for (String body : bodies) producer.sendOneway(new Message(topic, Context.bytes(body)));
        Context.sameElements("stored", bodies, Context.bodies(c.readStored(topic, bodies.size())));
    }

    private static void batch(Context c) throws Exception {
        String topic = c.topic("topic", 4);
        List<Message> messages = new ArrayList<>();
        for (int i = 0; i < 30; i++) {
            Message message = new Message(topic, "tag", "key" + i, Context.bytes("m" + i));
            message.putUserProperty("number", String.valueOf(i));
            messages.add(message);
        }
        SendResult result = c.producer().send(messages);
        Context.same("ids in the reply", 30, result.getMsgId().split(",").length);
        Context.same("offset ids in the reply", 30, result.getOffsetMsgId().split(",").length);
        List<MessageExt> stored = c.readStored(topic, 30);
        Context.sameElements("stored", Context.numbered("m", 30), Context.bodies(stored));
        List<String> ids = Arrays.asList(result.getMsgId().split(","));
        for (int i = 0; i < stored.size(); i++) {
            MessageExt message = stored.get(i);
            Context.same("number", Context.body(message), "m" + message.getUserProperty("number"));
            Context.same("tag", "tag", message.getTags());
            Context.same("queue", result.getMessageQueue().getQueueId(), message.getQueueId());
            Context.same("message id", ids.get(i), message.getMsgId());
            Context.same("queue offset", result.getQueueOffset() + i, message.getQueueOffset());
        }
    }

    private static void compressed(Context c) throws Exception {
        String topic = c.topic("topic", 1);
        byte[] body = new byte[100_000];
        for (int i = 0; i < body.length; i++) body[i] = (byte) ('a' + i % 26);
        c.send(c.producer(), new Message(topic, body));
        MessageExt stored = c.readStored(topic, 1).get(0);
        Context.check(Arrays.equals(body, stored.getBody()), "the body comes back as it was");
        Context.between("stored bytes", 100, 20_000, stored.getStoreSize());
        c.fact("stored in " + stored.getStoreSize() + " bytes");
    }

    /** The largest body that a broker takes by default, and one above. */
    private static void sizes(Context c) throws Exception {
        String topic = c.topic("topic", 1);
        DefaultMQProducer producer = c.producer();
        producer.setMaxMessageSize(16 << 20);
        producer.setCompressMsgBodyOverHowmuch(Integer.MAX_VALUE);
        byte[] random = new byte[4 << 20];
        new Random(7).nextBytes(random);
        c.send(producer, new Message(topic, random));
        Context.check(Arrays.equals(random, c.readStored(topic, 1).get(0).getBody()), "4 MiB come back as they were");
        try {
            producer.send(new Message(topic, new byte[(4 << 20) + 70_000]));
            Context.check(false, "a body above 4 MiB is refused");
        } catch (MQBrokerException refused) {
            Context.same("response code", MESSAGE_ILLEGAL, refused.getResponseCode());
        }
        c.send(producer, new Message(topic, Context.bytes("after")));
        Context.same("stored", 2, c.readStored(topic, 2).size());
    }

    private static void toQueue(Context c) throws Exception {
        String topic = c.topic("topic", 8);
        DefaultMQProducer producer = c.producer();
        List<MessageQueue> queues = producer.fetchPublishMessageQueues(topic);
        Context.same("queues", 8, queues.size());
        for (int i = 0; i < 40; i++) {
            SendResult result = producer.send(new Message(topic, Context.bytes("s" + i)),
                (all, message, shard) -> all.get((Integer) shard % all.size()), i);
            Context.same("queue of s" + i, i % 8, result.getMessageQueue().getQueueId());
        }
        MessageQueue fifth = new MessageQueue(topic, c.shared.brokerName(), 5);
        Context.same("queue asked for", fifth, producer.send(new Message(topic, Context.bytes("q")), fifth).getMessageQueue());
        for (MessageExt message : c.readStored(topic, 41)) {
            String body = Context.body(message);
            Context.same("queue of " + body, body.equals("q") ? 5 : Integer.parseInt(body.substring(1)) % 8, message.getQueueId());
        }
    }

    private static void delayLevel(Context c) throws Exception {
        String topic = c.topic("topic", 4);
        Collector collector = new Collector();
        Pushes.listen(c.pushConsumer(c.named("group")), topic, "*", collector);
        DefaultMQProducer producer = c.producer();
        long startMs = System.currentTimeMillis();
        for (int level = 0; level <= 2; level++) {
            Message message = new Message(topic, "tag", "key" + level, Context.bytes("level" + level));
            message.setDelayTimeLevel(level);
            c.send(producer, message);
        }
        long[] dueMs = {0, 1_000, 5_000};
        c.await("3 deliveries", 14_000, () -> collector.count() >= 3);
        for (int level = 0; level <= 2; level++) {
            Context.same("deliveries of level " + level, 1, collector.of("level" + level).size());
            Collector.Arrival arrival = collector.of("level" + level).get(0);
            long tookMs = arrival.atMs - startMs;
            c.fact("level " + level + " after " + tookMs + " ms");
            Context.between("level " + level + " after ms", dueMs[level] - 50, dueMs[level] + 5_000, tookMs);
            Context.same("topic", topic, arrival.message.getTopic());
            Context.same("keys", "key" + level, arrival.message.getKeys());
        }
    }

    /** Topic and group names with the prefix that cloud users know; the application sees them without it. */
    @SuppressWarnings("deprecation")
    private static void namespace(Context c) throws Exception {
        String topic = c.named("topic");
        c.shared.createTopic("ns1%" + topic, 2);
        Collector collector = new Collector();
        var consumer = c.pushConsumer(c.named("group"));
        consumer.setNamespace("ns1");
        Pushes.listen(consumer, topic, "*", collector);
        DefaultMQProducer producer = new DefaultMQProducer(c.named("producer"), c.settings.hook());
        producer.setNamespace("ns1");
        c.sendAll(c.started(producer), topic, Context.numbered("m", 4));
        c.await("4 deliveries", () -> collector.count() >= 4);
        Context.sameElements("received", Context.numbered("m", 4), collector.bodies());
        Context.same("topic as the listener sees it", topic, collector.arrivals().get(0).message.getTopic());
    }
}
