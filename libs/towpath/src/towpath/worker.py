"""`@worker.handler`: the other spelling of `@function`, for those who think of what a worker handles."""

from towpath.functions import function

handler = function
