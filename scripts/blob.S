/* Embeds the file IMAGE between the symbols NAME_start and NAME_end. */
#define CAT_(a, b) a##b
#define CAT(a, b)  CAT_(a, b)

	.section .rodata
	.balign 4096
	.globl CAT(NAME, _start), CAT(NAME, _end)
CAT(NAME, _start):
	.incbin IMAGE
CAT(NAME, _end):
	.section .note.GNU-stack, "", @progbits
