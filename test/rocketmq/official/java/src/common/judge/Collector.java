package judge;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyContext;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.common.message.MessageExt;

/** Takes every message and remembers it, with the time of its arrival. */
final class Collector implements MessageListenerConcurrently {
    static final class Arrival {
        final MessageExt message;
        final long atMs = System.currentTimeMillis();
        /** A redelivery changes the message object's neighbours, not this. */
        final int reconsumeTimes;

        Arrival(MessageExt message) {
            this.message = message;
            this.reconsumeTimes = message.getReconsumeTimes();
        }

        String body() {
            return Context.body(message);
        }
    }

    private final ConcurrentLinkedQueue<Arrival> arrivals = new ConcurrentLinkedQueue<>();

    @Override
    public ConsumeConcurrentlyStatus consumeMessage(List<MessageExt> messages, ConsumeConcurrentlyContext context) {
        add(messages);
        return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
    }

    void add(List<MessageExt> messages) {
        for (MessageExt message : messages) arrivals.add(new Arrival(message));
    }

    int count() {
        return arrivals.size();
    }

    List<Arrival> arrivals() {
        return new ArrayList<>(arrivals);
    }

    List<Arrival> of(String body) {
        return arrivals.stream().filter(arrival -> arrival.body().equals(body)).collect(Collectors.toList());
    }

    List<String> bodies() {
        return arrivals.stream().map(Arrival::body).collect(Collectors.toList());
    }
}
