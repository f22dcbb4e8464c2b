package judge;

/** What is known of one scenario after its end. */
final class Verdict {
    private static final int STACK_LINES = 3;

    private final String scenario;
    private final long startMs = System.currentTimeMillis();
    private String detail = "";
    private long tookMs;
    boolean ok;

    Verdict(String scenario) {
        this.scenario = scenario;
    }

    Verdict passed(String facts) {
        return end(true, facts);
    }

    Verdict failed(String why) {
        return end(false, why);
    }

    private Verdict end(boolean isOk, String text) {
        ok = isOk;
        detail = text;
        tookMs = System.currentTimeMillis() - startMs;
        return this;
    }

    String json() {
        return "{\"scenario\":" + Json.quote(scenario) + ",\"ok\":" + ok + ",\"tookMs\":" + tookMs
            + ",\"detail\":" + Json.quote(detail) + "}";
    }

    /** The error, its causes, and the lines of this program that it came through. */
    static String text(Throwable error) {
        StringBuilder text = new StringBuilder();
        for (Throwable cause = error; cause != null; cause = cause.getCause()) {
            text.append(cause == error ? "" : " <- ").append(cause);
        }
        int lines = 0;
        for (StackTraceElement at : error.getStackTrace()) {
            if (!at.getClassName().startsWith("judge.") || lines == STACK_LINES) continue;
            text.append(" at ").append(at.getFileName()).append(':').append(at.getLineNumber());
            lines++;
        }
        return text.append(' ').toString();
    }
}
