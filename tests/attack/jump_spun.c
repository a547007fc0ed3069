/*
 * test: quick=no options=--spin,50
 * jump_all, where CPUs look for calls in slots.
 */
#include "tests/attack/jump_all.c"
