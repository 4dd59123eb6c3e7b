/* A model of lib/ring for the model checker spin: a queue, its two sides, and memory that delays their stores.
 *
 * The names are those of ring.c and queue.c. tests/test_ring_model.py verifies the model: in every interleaving nothing is
 * lost, doubled, out of order or overwritten, no honest side is refused, and nobody sleeps through what it waits for. Each
 * macro below that is not defined here makes one mistake, and the test expects the verification to find it.
 */
#ifndef LENGTH
#define LENGTH 2 /* slots */
#endif
#ifndef MODULUS
#define MODULUS 4 /* of the counters, in place of 2^32: a multiple of LENGTH, and more */
#endif

#define PRODUCER 0
#define CONSUMER 1
#define SENT 0  /* the producer's ring: full slots */
#define TAKEN 1 /* the consumer's: empty ones */
#define OUT(side) (side)
#define IN(side) (1 - side)
#define AHEAD(side) (side * LENGTH)
#define PLUS(a, b) ((a + b) % MODULUS)
#define MINUS(a, b) ((a + MODULUS - b) % MODULUS)

/* Shared. A slot holds the position at which it was filled, which the consumer must find in it. */
byte tail[2];
bool is_asleep[2];
byte slots[LENGTH];

/* Private, by side. */
byte in_position[2], in_limit[2], out_position[2], out_limit[2];

/* What is asked of the model alone. */
bool is_full[LENGTH];
bool waits[2];

/* A channel between the sides, in which a notification waits if there is none yet. */
chan bells[2] = [1] of { bit };

/* Stores that a side has made and the other does not see yet. A sequentially consistent store is one that is seen before the
 * side goes on, as on x86; a weaker one is seen at some time, after those before it. */
mtype = { TAIL, ASLEEP };
chan stores[2] = [2] of { mtype, byte, byte };

proctype memory(byte side) {
    byte ring, value;
end:
    do
    :: atomic { stores[side]?TAIL(ring, value) -> tail[ring] = value }
    :: atomic { stores[side]?ASLEEP(ring, value) -> is_asleep[ring] = value }
    od
}

inline ring_look(side) {
    d_step {
        found = tail[IN(side)];
        assert(MINUS(found, in_position[side]) <= MINUS(PLUS(out_limit[side], AHEAD(side)), in_position[side]));
        in_limit[side] = found
    }
}

inline tell(side) {
    if
    :: atomic { nfull(bells[1 - side]) -> bells[1 - side]!1 }
    :: atomic { full(bells[1 - side]) -> skip }
    fi
}

inline ring_publish(side) {
    if
    :: out_limit[side] != out_position[side] ->
#ifdef FLAG_BEFORE_TAIL
        was_asleep = is_asleep[OUT(side)];
#endif
        atomic {
            out_limit[side] = out_position[side];
            stores[side]!TAIL(OUT(side), out_position[side])
        }
#ifndef WEAK_PUBLISH
        empty(stores[side]);
#endif
#ifndef FLAG_BEFORE_TAIL
        was_asleep = is_asleep[OUT(side)];
#endif
        if
        :: was_asleep ->
            atomic { /* an exchange sees to earlier stores first */
                empty(stores[side]) ->
                was_asleep = is_asleep[OUT(side)];
                is_asleep[OUT(side)] = false
            }
            if
            :: was_asleep -> tell(side)
            :: else
            fi
        :: else
        fi
    :: else
    fi;
    was_asleep = false
}

inline ring_sleep(side) {
    stores[side]!ASLEEP(IN(side), true);
#ifndef WEAK_SLEEP
    empty(stores[side]);
#endif
    if
#ifdef NO_SECOND_LOOK
    :: true ->
#else
    :: tail[IN(side)] == in_position[side] ->
#endif
        waits[side] = true;
end_asleep:
        bells[side]?_;
        waits[side] = false
#ifndef NO_SECOND_LOOK
    :: else -> stores[side]!ASLEEP(IN(side), false)
#endif
    fi
}

inline put() {
    d_step {
        slot = in_position[PRODUCER] % LENGTH;
        assert(!is_full[slot]);
        is_full[slot] = true;
#ifndef SLOT_AFTER_TAIL
        slots[slot] = out_position[PRODUCER];
#endif
        in_position[PRODUCER] = PLUS(in_position[PRODUCER], 1);
        out_position[PRODUCER] = PLUS(out_position[PRODUCER], 1)
    }
#ifdef SLOT_AFTER_TAIL
    ring_publish(PRODUCER);
    slots[slot] = MINUS(out_position[PRODUCER], 1)
#endif
}

inline take() {
    d_step {
        slot = in_position[CONSUMER] % LENGTH;
        is_full[slot] = false;
#ifndef ROOM_BEFORE_READ
        assert(slots[slot] == in_position[CONSUMER]);
#endif
        in_position[CONSUMER] = PLUS(in_position[CONSUMER], 1);
        out_position[CONSUMER] = PLUS(out_position[CONSUMER], 1)
    }
#ifdef ROOM_BEFORE_READ
    ring_publish(CONSUMER);
    assert(slots[slot] == MINUS(in_position[CONSUMER], 1))
#endif
}

/* Fills slots, publishes when it likes and when it has to, and at some time stops for good. */
proctype producer() {
    byte found, slot;
    bool was_asleep;
    do
    :: in_position[PRODUCER] != in_limit[PRODUCER] -> put()
    :: in_position[PRODUCER] == in_limit[PRODUCER] ->
        ring_look(PRODUCER);
#ifdef NO_ROOM_CHECK
        in_limit[PRODUCER] = PLUS(in_position[PRODUCER], LENGTH)
#endif
        if
        :: in_position[PRODUCER] != in_limit[PRODUCER]
        :: else ->
            ring_publish(PRODUCER);
            ring_sleep(PRODUCER)
        fi
    :: out_limit[PRODUCER] != out_position[PRODUCER] -> ring_publish(PRODUCER)
    :: true ->
        ring_publish(PRODUCER);
        break
    od
}

/* Empties slots, publishes when it likes and before it sleeps. */
proctype consumer() {
    byte found, slot;
    bool was_asleep;
    do
    :: in_position[CONSUMER] != in_limit[CONSUMER] -> take()
    :: in_position[CONSUMER] == in_limit[CONSUMER] ->
        ring_look(CONSUMER);
        if
        :: in_position[CONSUMER] != in_limit[CONSUMER]
        :: else ->
#ifndef SLEEP_UNPUBLISHED
            ring_publish(CONSUMER);
#endif
            ring_sleep(CONSUMER)
        fi
    :: out_limit[CONSUMER] != out_position[CONSUMER] -> ring_publish(CONSUMER)
    od
}

/* When nobody can go on, everything that was put in has been taken, and nobody waits for room that there is. */
proctype monitor() {
    timeout;
    assert(in_position[CONSUMER] == out_position[PRODUCER]);
    assert(!waits[PRODUCER])
}

init {
    atomic {
        in_position[PRODUCER] = MINUS(0, LENGTH % MODULUS);
        in_limit[PRODUCER] = in_position[PRODUCER];
        run memory(PRODUCER);
        run memory(CONSUMER);
        run producer();
        run consumer();
        run monitor()
    }
}

/* Whoever sleeps while there is what it waits for wakes up. */
ltl consumer_wakes { [] ((waits[CONSUMER] && tail[SENT] != in_position[CONSUMER]) -> <> !waits[CONSUMER]) }
ltl producer_wakes { [] ((waits[PRODUCER] && tail[TAKEN] != in_position[PRODUCER]) -> <> !waits[PRODUCER]) }
