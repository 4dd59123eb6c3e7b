// A repeatable random sequence: SplitMix64 (Steele, Lea, Flood, 2014).
#include "chaos.h"

uint64_t random_next(void) {
    static uint64_t state;
    if (state == 0) {
        state = config_u64("seed", 1);
    }
    state += 0x9e3779b97f4a7c15;
    uint64_t mixed = state;
    mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111eb;
    return mixed ^ mixed >> 31;
}
