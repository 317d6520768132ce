(module
  (import "wasi_snapshot_preview1" "sched_yield" (func (result i32)))
  (func (export "_start") (drop (call 0))))
