import GuestMemory

let mebibyte: UInt64 = 1 << 20
let gibibyte: UInt64 = 1 << 30
/// A machine with RAM on both sides of the hole: 3 GiB below, 1 GiB from 4 GiB up.
let fourGibibytes: UInt64 = 4 << 30
