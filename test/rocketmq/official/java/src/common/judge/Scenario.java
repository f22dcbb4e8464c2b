package judge;

/** One thing that clients do with a broker. It throws where the outcome is wrong, and tells its facts through the context. */
interface Scenario {
    void run(Context context) throws Exception;
}
