;; Imports http_request as a function of three numbers of other types: links, as our calls take what comes, and must answer badInput (6).
(module
  (import "wasi:http/requests" "http_request" (func $ask (param i64 f64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func (export "_start") (call $exit (call $ask (i64.const -1) (f64.const nan) (i32.const 0)))))
