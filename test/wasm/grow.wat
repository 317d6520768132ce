;; Grows by one page until refused, then traps; `polite` exits 0 instead.
(module
  (memory (export "memory") 1)
  (func $grow (loop $again (br_if $again (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))))
  (func (export "_start") (call $grow) (unreachable))
  (func (export "polite") (call $grow)))
