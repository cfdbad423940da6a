# What stands before the program of a container whose output does not pass through the engine. A whole ELF file, made by
#
#     as -o x86_64.o x86_64.S && ld --oformat binary -Ttext 0x10000 -o x86_64 x86_64.o
#
#     x86_64 OUT ERR PROGRAM [ARGUMENT]...
#
# Opens the FIFO OUT as standard output and ERR as standard error, each unless its path is empty, and becomes PROGRAM,
# which is looked for along PATH as a container's runtime does. What goes wrong is said on the standard error that it was
# given: 127 the program is not there, 126 it cannot be run, 125 a FIFO cannot be opened. Of PATH a file counts that
# may be executed, as for the runtime: one that may not is passed over, and is not found in the end.
#
# It has no data, no stack but the kernel's, and calls nothing but the kernel; system call numbers are in rax.

        .intel_syntax noprefix
        .set    base, 0x10000

        .globl  _start
file:                                   # elf(5): the header, and one segment, the whole file
        .ascii  "\177ELF"
        .byte   2, 1, 1, 0              # 64 bits, little endian
        .quad   0
        .word   2, 62                   # ET_EXEC, EM_X86_64
        .long   1
        .quad   base + _start - file
        .quad   segment - file
        .quad   0
        .long   0
        .word   64, 56, 1, 0, 0, 0
segment:
        .long   1, 5                    # PT_LOAD, read and execute
        .quad   0, base, base
        .quad   end - file, end - file
        .quad   0x1000

_start:
        mov     r12, [rsp]              # argc
        lea     r13, [rsp + 8]          # argv
        lea     r14, [r13 + r12 * 8 + 8] # envp
        mov     edi, 2                  # what is said goes where standard error goes now, and no program gets it
        mov     esi, 1030               # F_DUPFD_CLOEXEC
        mov     edx, 3
        mov     eax, 72                 # fcntl
        syscall
        mov     r15d, eax

        mov     rdi, [r13 + 8]
        mov     ebx, 1
        call    redirect
        mov     rdi, [r13 + 16]
        mov     ebx, 2
        call    redirect

        add     r13, 24                 # the program's argv
        mov     rbx, [r13]
        mov     ebp, 127
        mov     rdi, rbx
slash:                                  # a name with a slash is a path
        mov     al, [rdi]
        inc     rdi
        cmp     al, '/'
        je      as_it_is
        test    al, al
        jnz     slash

        mov     rsi, r14
variable:
        mov     rdi, [rsi]
        add     rsi, 8
        test    rdi, rdi
        jz      not_found
        cmp     dword ptr [rdi], 0x48544150 # PATH
        jne     variable
        cmp     byte ptr [rdi + 4], '='
        jne     variable
        lea     r12, [rdi + 5]
        sub     rsp, 8192
folder:                                 # FOLDER/NAME; an empty folder is the one that we are in
        mov     rdi, rsp
        lea     r9, [rsp + 8190]
        mov     al, [r12]
        test    al, al
        jz      here
        cmp     al, ':'
        jne     copy_folder
here:
        mov     al, '.'
        stosb
        jmp     copy_name
copy_folder:
        mov     al, [r12]
        test    al, al
        jz      copy_name
        cmp     al, ':'
        je      copy_name
        cmp     rdi, r9
        jae     skip                    # longer than any path
        stosb
        inc     r12
        jmp     copy_folder
copy_name:
        mov     al, '/'
        stosb
        mov     rsi, rbx
letter:
        cmp     rdi, r9
        jae     skip
        lodsb
        stosb
        test    al, al
        jnz     letter
        mov     rdi, rsp
        call    try
        cmp     ebp, 126
        je      refused
skip:
        mov     al, [r12]
        inc     r12
        cmp     al, ':'
        je      folder
        test    al, al
        jnz     skip
not_found:
        lea     r9, [rip + not_in_path]
        jmp     not_run

as_it_is:
        mov     rdi, rbx
        call    try
        cmp     r8b, 2                  # ENOENT
        je      refused
        cmp     r8b, 20                 # ENOTDIR
        je      refused
        mov     ebp, 126
refused:                                # says why: the error r8
        lea     rsi, [rip + reasons]
reason:
        lodsb
        mov     r9, rsi
        cmp     al, r8b
        je      not_run
        test    al, al
        je      not_run
next:
        lodsb
        test    al, al
        jnz     next
        jmp     reason

not_run:
        lea     rsi, [rip + before]
        call    say
        mov     rsi, rbx
        call    say
        lea     rsi, [rip + between]
        call    say
        mov     rsi, r9
last_words:
        call    say
exit:
        mov     edi, ebp
        mov     eax, 231                # exit_group
        syscall

try:                                    # becomes rdi; else r8 is why, and ebp 126 if it may be executed and yet cannot
        mov     esi, 1                  # X_OK
        mov     eax, 21                 # access
        syscall
        test    eax, eax
        js      failed
        mov     rsi, r13
        mov     rdx, r14
        mov     eax, 59                 # execve
        syscall
        cmp     eax, -13                # EACCES: a folder
        je      failed
        mov     ebp, 126
failed:
        neg     eax
        mov     r8d, eax
tried:
        ret

redirect:                               # the FIFO rdi becomes descriptor ebx
        cmp     byte ptr [rdi], 0
        je      tried
        mov     r12, rdi
        mov     esi, 1                  # O_WRONLY
        mov     eax, 2                  # open
        syscall
        test    eax, eax
        js      not_opened
        mov     edi, eax
        cmp     edi, ebx                # it was closed
        je      tried
        mov     esi, ebx
        mov     eax, 33                 # dup2
        syscall
        mov     eax, 3                  # close
        syscall
        ret
not_opened:
        mov     ebp, 125
        lea     rsi, [rip + before]
        call    say
        mov     rsi, r12
        call    say
        lea     rsi, [rip + no_fifo]
        jmp     last_words

say:                                    # the text rsi
        mov     rdi, rsi
        xor     edx, edx
        dec     rdx
length:
        inc     rdx
        cmp     byte ptr [rdi + rdx], 0
        jne     length
        mov     edi, r15d
        mov     eax, 1                  # write
        syscall
        ret

before:
        .asciz  "exec: \""
between:
        .asciz  "\": "
not_in_path:
        .asciz  "executable file not found in $PATH\n"
no_fifo:
        .asciz  "\": cannot be opened for output\n"
reasons:                                # errno(3), as the runtime words them
        .byte   2
        .asciz  "no such file or directory\n"
        .byte   7
        .asciz  "argument list too long\n"
        .byte   8
        .asciz  "exec format error\n"
        .byte   13
        .asciz  "permission denied\n"
        .byte   20
        .asciz  "not a directory\n"
        .byte   40
        .asciz  "too many levels of symbolic links\n"
        .byte   0
        .asciz  "cannot be run\n"
end:
