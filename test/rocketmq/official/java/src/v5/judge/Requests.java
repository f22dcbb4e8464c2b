package judge;

import java.util.List;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.exception.RequestTimeoutException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.utils.MessageUtil;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** Messages that are answered, as the official client does both sides. */
final class Requests {
    private Requests() {
    }

    /** The reply's body, or {@code timeout}. */
    static String request(DefaultMQProducer producer, String topic, long timeoutMs, String body) throws Exception {
        try {
            return Context.body(producer.request(new Message(topic, Context.bytes(body)), timeoutMs));
        } catch (RequestTimeoutException late) {
            return "timeout";
        }
    }

    /** Each message is answered with {@code Java: } and its body; a failed reply brings it again. */
    static void answer(DefaultMQPushConsumer consumer, String topic, DefaultMQProducer producer) throws Exception {
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, at) -> reply(messages, producer));
        consumer.start();
    }

    private static ConsumeConcurrentlyStatus reply(List<MessageExt> messages, DefaultMQProducer producer) {
        try {
            for (MessageExt message : messages) {
                byte[] body = Context.bytes("Java: " + Context.body(message));
                producer.send(MessageUtil.createReplyMessage(message, body));
            }
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        } catch (Exception failed) {
            failed.printStackTrace();
            return ConsumeConcurrentlyStatus.RECONSUME_LATER;
        }
    }
}
