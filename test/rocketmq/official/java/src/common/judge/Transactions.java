package judge;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.client.producer.TransactionSendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** Half messages: ended at once, ended when the broker asks, and never shown before. */
final class Transactions {
    private Transactions() {
    }

    static void addTo(Map<String, Scenario> scenarios) {
        scenarios.put("transaction", Transactions::run);
    }

    /** Bodies say what to do: `<at once>-<when asked>-<number>`. */
    private static final class Decisions implements TransactionListener {
        final Map<String, String> ids = new ConcurrentHashMap<>();
        final Queue<String> checked = new ConcurrentLinkedQueue<>();
        final Queue<String> wrong = new ConcurrentLinkedQueue<>();

        @Override
        public LocalTransactionState executeLocalTransaction(Message message, Object argument) {
            ids.put(Context.body(message), message.getTransactionId());
            return state(Context.body(message).split("-")[0]);
        }

        @Override
        public LocalTransactionState checkLocalTransaction(MessageExt message) {
            String body = Context.body(message);
            checked.add(body);
            if (!message.getTransactionId().equals(ids.get(body))) wrong.add(body + " has id " + message.getTransactionId());
            if (message.getTopic().startsWith("RMQ_SYS")) wrong.add(body + " has topic " + message.getTopic());
            return state(body.split("-")[1]);
        }

        private static LocalTransactionState state(String word) {
            switch (word) {
                case "commit": return LocalTransactionState.COMMIT_MESSAGE;
                case "rollback": return LocalTransactionState.ROLLBACK_MESSAGE;
                default: return LocalTransactionState.UNKNOW;
            }
        }
    }

    private static void run(Context c) throws Exception {
        String topic = c.topic("topic", 4);
        Collector collector = new Collector();
        Pushes.listen(c.pushConsumer(c.named("group")), topic, "*", collector);
        Decisions decisions = new Decisions();
        TransactionMQProducer producer = new TransactionMQProducer(c.named("producer"), c.settings.hook());
        producer.setTransactionListener(decisions);
        c.started(producer);
        long startMs = System.currentTimeMillis();
        for (String kind : Arrays.asList("commit-none", "rollback-none", "unknown-commit", "unknown-rollback")) {
            for (int i = 0; i < 5; i++) {
                Message message = new Message(topic, "tag", "key" + i, Context.bytes(kind + "-" + i));
                TransactionSendResult result = producer.sendMessageInTransaction(message, null);
                Context.same("local state", Decisions.state(kind.split("-")[0]), result.getLocalTransactionState());
                Context.check(result.getTransactionId() != null, "the result has a transaction id");
            }
        }
        List<String> atOnce = Context.numbered("commit-none-", 5);
        c.await("5 commits at once", 5_000, () -> collector.count() >= 5);
        Context.sameElements("before any check", atOnce, collector.bodies());
        List<String> later = Context.numbered("unknown-commit-", 5);
        c.await("5 commits after checks", 24_000, () -> collector.bodies().containsAll(later) && decisions.checked.size() >= 10);
        c.fact("checks done after " + (System.currentTimeMillis() - startMs) + " ms");
        Thread.sleep(2_500);
        for (String body : atOnce) Context.same("deliveries of " + body, 1, collector.of(body).size());
        for (String body : later) Context.same("deliveries of " + body, 1, collector.of(body).size());
        Context.same("deliveries in all", 10, collector.count());
        Context.same("stored in all", 10L, c.shared.storedCount(topic));
        for (String body : decisions.checked) Context.check(body.startsWith("unknown"), body + " is not checked");
        Context.same("what a check got wrong", 0, decisions.wrong.size());
        Collector.Arrival arrival = collector.of("unknown-commit-3").get(0);
        Context.same("transaction id", decisions.ids.get("unknown-commit-3"), arrival.message.getMsgId());
        Context.same("tag", "tag", arrival.message.getTags());
        Context.same("keys", "key3", arrival.message.getKeys());
    }
}
