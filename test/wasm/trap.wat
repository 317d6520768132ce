(module
  (memory (export "memory") 1)
  (func (export "_start") (unreachable))
  (func (export "divide") (drop (i32.div_u (i32.const 1) (i32.const 0))))
  (func (export "takesNumber") (param i32)))
