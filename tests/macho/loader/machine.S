// machine.S: the few lines that must choose their registers.
//
// tlv_thunk      the address of a thread-local variable; see tlv.c
// count_and_go   counts a call, goes on to its target
// trace_and_go   the same for a traced symbol: first `trace_call`
// trap           ends the process: nothing is known by the symbol
//
// The last three are entered from a trampoline (trampolines.c) with its entry in r11 or x16. They
// leave arguments and stack as they are, so that variadic calls and unwinding pass.

#ifdef __x86_64__
        .text
        .globl  tlv_thunk, count_and_go, trace_and_go, trap

        // In: rdi, a descriptor. Out: rax. All other registers are kept.
tlv_thunk:
        pushq   %rcx
        movq    8(%rdi), %rcx
        movq    %fs:tlv_blocks@tpoff(,%rcx,8), %rax
        testq   %rax, %rax
        je      1f
        addq    16(%rdi), %rax
        popq    %rcx
        ret
1:      pushq   %rbp
        movq    %rsp, %rbp
        pushq   %rdi
        pushq   %rsi
        pushq   %rdx
        pushq   %r8
        pushq   %r9
        pushq   %r10
        pushq   %r11
        andq    $-16, %rsp
        subq    $512, %rsp
        fxsave  (%rsp)
        call    tlv_allocate
        fxrstor (%rsp)
        leaq    -56(%rbp), %rsp
        popq    %r11
        popq    %r10
        popq    %r9
        popq    %r8
        popq    %rdx
        popq    %rsi
        popq    %rdi
        popq    %rbp
        addq    16(%rdi), %rax
        popq    %rcx
        ret

count_and_go:
        movq    (%r11), %r10
        lock incq (%r10)
        jmp     *16(%r11)

trace_and_go:
        pushq   %rbp
        movq    %rsp, %rbp
        pushq   %rax
        pushq   %rdi
        pushq   %rsi
        pushq   %rdx
        pushq   %rcx
        pushq   %r8
        pushq   %r9
        pushq   %r11
        andq    $-16, %rsp
        subq    $512, %rsp
        fxsave  (%rsp)
        movq    %r11, %rdi
        call    trace_call
        fxrstor (%rsp)
        leaq    -64(%rbp), %rsp
        popq    %r11
        popq    %r9
        popq    %r8
        popq    %rcx
        popq    %rdx
        popq    %rsi
        popq    %rdi
        popq    %rax
        popq    %rbp
        jmp     count_and_go

trap:
        movq    %r11, %rdi
        andq    $-16, %rsp
        call    trap_call

#else
        .text
        .globl  tlv_thunk, count_and_go, trace_and_go, trap

        .macro  save_vectors
        sub     sp, sp, #512
        stp     q0, q1, [sp]
        stp     q2, q3, [sp, #32]
        stp     q4, q5, [sp, #64]
        stp     q6, q7, [sp, #96]
        stp     q8, q9, [sp, #128]
        stp     q10, q11, [sp, #160]
        stp     q12, q13, [sp, #192]
        stp     q14, q15, [sp, #224]
        stp     q16, q17, [sp, #256]
        stp     q18, q19, [sp, #288]
        stp     q20, q21, [sp, #320]
        stp     q22, q23, [sp, #352]
        stp     q24, q25, [sp, #384]
        stp     q26, q27, [sp, #416]
        stp     q28, q29, [sp, #448]
        stp     q30, q31, [sp, #480]
        .endm

        .macro  restore_vectors
        ldp     q0, q1, [sp]
        ldp     q2, q3, [sp, #32]
        ldp     q4, q5, [sp, #64]
        ldp     q6, q7, [sp, #96]
        ldp     q8, q9, [sp, #128]
        ldp     q10, q11, [sp, #160]
        ldp     q12, q13, [sp, #192]
        ldp     q14, q15, [sp, #224]
        ldp     q16, q17, [sp, #256]
        ldp     q18, q19, [sp, #288]
        ldp     q20, q21, [sp, #320]
        ldp     q22, q23, [sp, #352]
        ldp     q24, q25, [sp, #384]
        ldp     q26, q27, [sp, #416]
        ldp     q28, q29, [sp, #448]
        ldp     q30, q31, [sp, #480]
        add     sp, sp, #512
        .endm

        // Keeps x0 to x18 and the link register, in a frame of its own.
        .macro  save_integers
        stp     x29, x30, [sp, #-176]!
        mov     x29, sp
        stp     x0, x1, [sp, #16]
        stp     x2, x3, [sp, #32]
        stp     x4, x5, [sp, #48]
        stp     x6, x7, [sp, #64]
        stp     x8, x9, [sp, #80]
        stp     x10, x11, [sp, #96]
        stp     x12, x13, [sp, #112]
        stp     x14, x15, [sp, #128]
        stp     x16, x18, [sp, #144]
        .endm

        .macro  restore_integers
        ldp     x0, x1, [sp, #16]
        ldp     x2, x3, [sp, #32]
        ldp     x4, x5, [sp, #48]
        ldp     x6, x7, [sp, #64]
        ldp     x8, x9, [sp, #80]
        ldp     x10, x11, [sp, #96]
        ldp     x12, x13, [sp, #112]
        ldp     x14, x15, [sp, #128]
        ldp     x16, x18, [sp, #144]
        ldp     x29, x30, [sp], #176
        .endm

        // In: x0, a descriptor. Out: x0. All other registers but x16 and x17 are kept.
tlv_thunk:
        mrs     x16, tpidr_el0
        add     x16, x16, #:tprel_hi12:tlv_blocks
        add     x16, x16, #:tprel_lo12_nc:tlv_blocks
        ldr     x17, [x0, #8]
        ldr     x16, [x16, x17, lsl #3]
        cbz     x16, 1f
        ldr     x17, [x0, #16]
        add     x0, x16, x17
        ret
1:      save_integers
        save_vectors
        bl      tlv_allocate
        mov     x17, x0
        restore_vectors
        restore_integers
        ldr     x16, [x0, #16]
        add     x0, x17, x16
        ret

count_and_go:
        ldr     x17, [x16]
1:      ldxr    x9, [x17]
        add     x9, x9, #1
        stxr    w10, x9, [x17]
        cbnz    w10, 1b
        ldr     x17, [x16, #16]
        br      x17

trace_and_go:
        save_integers
        save_vectors
        mov     x0, x16
        bl      trace_call
        restore_vectors
        restore_integers
        b       count_and_go

trap:
        mov     x0, x16
        bl      trap_call
#endif
        .section .note.GNU-stack,"",@progbits
