# Written by callgate export.
# Policy made from: /usr/sbin/sample --port 80
# Phase: setup of setup, main
seccomp.keep close,execve,exit_group,openat,read,statx,write,ioctl,socket,prctl,madvise
seccomp.block-secondary
seccomp-error-action EPERM
