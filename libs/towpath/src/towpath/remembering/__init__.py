"""What is remembered, where it is kept, and how code of a run reaches it; `towpath.memory` is what programs use."""
