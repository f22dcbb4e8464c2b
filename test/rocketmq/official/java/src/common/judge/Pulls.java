package judge;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Consumers that ask for messages themselves. */
@SuppressWarnings("deprecation")
final class Pulls {
    private Pulls() {
    }

    static void addTo(Map<String, Scenario> scenarios) {
        scenarios.put("lite-pull-subscribe", Pulls::subscribe);
        scenarios.put("lite-pull-assign", Pulls::assign);
        scenarios.put("pull-classic", Pulls::classic);
    }

    private static DefaultLitePullConsumer litePull(Context c, String group) {
        DefaultLitePullConsumer consumer = c.configured(new DefaultLitePullConsumer(group, c.settings.hook()));
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.setAutoCommit(false);
        // A pull that is held keeps its thread: one for each queue of the topics here.
        consumer.setPullThreadNums(4);
        c.closing(consumer::shutdown);
        return consumer;
    }

    private static List<MessageExt> poll(DefaultLitePullConsumer consumer, int count) {
        List<MessageExt> found = new ArrayList<>();
        for (int tries = 0; tries < 50 && found.size() < count; tries++) found.addAll(consumer.poll(200));
        return found;
    }

    /** Polls until these have come last: a pull that was under way at a seek may still bring what lay at the old place. */
    private static void pollUntil(Context c, DefaultLitePullConsumer consumer, List<String> last) throws Exception {
        List<String> polled = new ArrayList<>();
        c.await("polls that end with " + last, () -> {
            polled.addAll(Context.bodies(consumer.poll(200)));
            return polled.size() >= last.size() && polled.subList(polled.size() - last.size(), polled.size()).equals(last);
        });
        if (polled.size() > last.size()) c.fact(polled.size() - last.size() + " from before a seek");
    }

    private static void subscribe(Context c) throws Exception {
        String topic = c.topic("topic", 4);
        String group = c.named("group");
        DefaultMQProducer producer = c.producer();
        c.sendAll(producer, topic, Context.numbered("a", 40));
        DefaultLitePullConsumer first = litePull(c, group);
        first.subscribe(topic, "*");
        first.start();
        Context.sameElements("first", Context.numbered("a", 40), Context.bodies(poll(first, 40)));
        first.commitSync();
        // commitSync puts the offsets into the client's store; the store goes to the broker once a second and at the end.
        first.shutdown();
        c.awaitConsumed(group, topic, 40);
        c.sendAll(producer, topic, Context.numbered("b", 10));
        DefaultLitePullConsumer second = litePull(c, group);
        second.subscribe(topic, "*");
        second.start();
        Context.sameElements("after the commit", Context.numbered("b", 10), Context.bodies(poll(second, 10)));
        c.sendAll(producer, topic, Context.numbered("c", 10));
        Context.sameElements("live", Context.numbered("c", 10), Context.bodies(poll(second, 10)));
        second.shutdown();
        DefaultLitePullConsumer third = litePull(c, group);
        third.subscribe(topic, "*");
        third.start();
        List<String> again = Context.numbered("b", 10);
        again.addAll(Context.numbered("c", 10));
        Context.sameElements("what was not committed comes again", again, Context.bodies(poll(third, 20)));
    }

    private static void assign(Context c) throws Exception {
        String topic = c.topic("topic", 2);
        String group = c.named("group");
        DefaultMQProducer producer = c.producer();
        for (int i = 0; i < 10; i++) {
            for (int queueId = 0; queueId < 2; queueId++) {
                producer.send(new Message(topic, Context.bytes(queueId + "-" + i)), new MessageQueue(topic, c.shared.brokerName(), queueId));
            }
        }
        DefaultLitePullConsumer consumer = litePull(c, group);
        consumer.start();
        Collection<MessageQueue> queues = consumer.fetchMessageQueues(topic);
        Context.same("queues", 2, queues.size());
        MessageQueue second = queues.stream().filter(queue -> queue.getQueueId() == 1).findFirst().get();
        consumer.assign(Collections.singletonList(second));
        consumer.seek(second, 5);
        pollUntil(c, consumer, Arrays.asList("1-5", "1-6", "1-7", "1-8", "1-9"));
        consumer.seekToBegin(second);
        pollUntil(c, consumer, Context.numbered("1-", 10));
        consumer.seekToEnd(second);
        // The client throws away what it has fetched before the seek, and pulls from the new place only after that.
        Thread.sleep(500);
        producer.send(new Message(topic, Context.bytes("1-new")), second);
        pollUntil(c, consumer, Arrays.asList("1-new"));
        consumer.commitSync();
        c.await("the commit", () -> Long.valueOf(11).equals(consumer.committed(second)));
        Context.same("nothing for a time to come", 11L, consumer.offsetForTimestamp(second, System.currentTimeMillis() + 60_000));
        Context.same("all for a time long ago", 0L, consumer.offsetForTimestamp(second, System.currentTimeMillis() - 600_000));
        consumer.shutdown();
        DefaultLitePullConsumer later = litePull(c, group);
        later.start();
        c.await("the committed offset at another client", () -> later.committed(second) == 11);
    }

    private static void classic(Context c) throws Exception {
        String topic = c.topic("topic", 2);
        DefaultMQProducer producer = c.producer();
        MessageQueue queue = new MessageQueue(topic, c.shared.brokerName(), 1);
        for (int i = 0; i < 50; i++) producer.send(new Message(topic, i % 2 == 0 ? "even" : "odd", Context.bytes("m" + i)), queue);
        DefaultMQPullConsumer consumer = c.configured(new DefaultMQPullConsumer(c.named("group"), c.settings.hook()));
        consumer.start();
        c.closing(consumer::shutdown);
        Set<MessageQueue> queues = consumer.fetchSubscribeMessageQueues(topic);
        Context.same("queues", 2, queues.size());
        PullResult found = consumer.pull(queue, "*", 0, 32);
        Context.same("status", PullStatus.FOUND, found.getPullStatus());
        Context.same("batch", Context.numbered("m", 32), Context.bodies(found.getMsgFoundList()));
        Context.same("next offset", 32L, found.getNextBeginOffset());
        Context.same("min offset", 0L, found.getMinOffset());
        Context.same("max offset", 50L, found.getMaxOffset());
        PullResult odd = consumer.pull(queue, "odd", 40, 32);
        Context.same("odd ones", Arrays.asList("m41", "m43", "m45", "m47", "m49"), Context.bodies(odd.getMsgFoundList()));
        Context.same("status at the end", PullStatus.NO_NEW_MSG, consumer.pull(queue, "*", 50, 32).getPullStatus());
        PullResult beyond = consumer.pull(queue, "*", 5_000, 32);
        Context.same("status beyond the end", PullStatus.OFFSET_ILLEGAL, beyond.getPullStatus());
        Context.same("where to go from beyond the end", 50L, beyond.getNextBeginOffset());
        PullResult none = consumer.pull(queue, "neither", 0, 32);
        Context.same("status of a tag that nobody has", PullStatus.NO_MATCHED_MSG, none.getPullStatus());
        longPoll(c, consumer, producer, queue);
        consumer.updateConsumeOffset(queue, 17);
        consumer.getOffsetStore().persist(queue);
        c.await("the offset at the broker", () -> consumer.fetchConsumeOffset(queue, true) == 17);
        Context.same("max offset", 51L, consumer.maxOffset(queue));
    }

    private static void longPoll(Context c, DefaultMQPullConsumer consumer, DefaultMQProducer producer, MessageQueue queue) throws Exception {
        Thread sender = new Thread(() -> {
            try {
                Thread.sleep(1_000);
                producer.send(new Message(queue.getTopic(), Context.bytes("awaited")), queue);
            } catch (Exception failure) {
                c.fact("send failed: " + failure);
            }
        });
        sender.start();
        long startMs = System.currentTimeMillis();
        PullResult awaited = consumer.pullBlockIfNotFound(queue, "*", 50, 32);
        long tookMs = System.currentTimeMillis() - startMs;
        c.fact("long poll " + tookMs + " ms");
        Context.same("awaited", Arrays.asList("awaited"), Context.bodies(awaited.getMsgFoundList()));
        Context.between("long poll ms", 900, 4_000, tookMs);
    }
}
