;; Wants 1 GiB before it begins.
(module
  (memory (export "memory") 16384)
  (func (export "_start")))
